"""All SQL about vouchers and referrals, and about what plans bring in cycles to come."""

from collections.abc import Mapping

import msgspec

from tollway.core.ids import UserId
from tollway.core.money import NanoUsd
from tollway.ports import Row, Transaction

_VOUCHER = "code, amount, most, redeemed, note, author, created_at, expires_at, disabled_at"


class Voucher(msgspec.Struct, frozen=True):
    """A code that is worth credit."""

    code: str
    amount: NanoUsd
    """For each user who redeems it."""
    most: int
    """How many users may redeem it."""
    redeemed: int
    note: str
    author: str
    created_at_s: float
    expires_at_s: float | None = None
    disabled_at_s: float | None = None


class Referrer(msgspec.Struct, frozen=True):
    """Somebody who may bring others."""

    user: UserId
    code: str
    name: str
    """What the leaderboard calls him."""
    referrals: int = 0
    earned: NanoUsd = NanoUsd(0)


def _voucher(row: Row) -> Voucher:
    return Voucher(*row)


def _referrer(row: Row) -> Referrer:
    return Referrer(*row)


def renew_amounts(tx: Transaction, amounts: Mapping[str, NanoUsd]) -> int:
    """Note what each plan brings from the next cycle on; how many allowances changed."""
    sql = "UPDATE allowances SET amount = :amount WHERE plan = :plan AND amount <> :amount"
    return tx.many(sql, [{"plan": plan, "amount": amount} for plan, amount in amounts.items()])


def add_voucher(tx: Transaction, new: Voucher) -> bool:
    """Keep a new voucher; False when the code is taken."""
    sql = """INSERT INTO vouchers (code, amount, most, note, author, created_at, expires_at)
             VALUES (:code, :amount, :most, :note, :author, :created_at, :expires_at)
             ON CONFLICT (code) DO NOTHING RETURNING code"""
    values = {"code": new.code, "amount": new.amount, "most": new.most, "note": new.note, "author": new.author}
    return bool(tx.run(sql, **values, created_at=new.created_at_s, expires_at=new.expires_at_s))


def find_voucher(tx: Transaction, code: str) -> Voucher | None:
    """The voucher with this code."""
    rows = tx.run(f"SELECT {_VOUCHER} FROM vouchers WHERE code = :code", code=code)
    return _voucher(rows[0]) if rows else None


def list_vouchers(tx: Transaction) -> list[Voucher]:
    """All vouchers, newest first."""
    return [_voucher(row) for row in tx.run(f"SELECT {_VOUCHER} FROM vouchers ORDER BY created_at DESC, code")]


def disable_voucher(tx: Transaction, code: str, now_s: float) -> bool:
    """Let nobody redeem the code any more; False when there is no such voucher."""
    sql = "UPDATE vouchers SET disabled_at = COALESCE(disabled_at, :now) WHERE code = :code RETURNING code"
    return bool(tx.run(sql, code=code, now=now_s))


def claim_voucher(tx: Transaction, code: str, now_s: float) -> NanoUsd | None:
    """Count one redemption and lock the voucher; its worth, None when it cannot be redeemed by anybody now."""
    sql = """UPDATE vouchers SET redeemed = redeemed + 1 WHERE code = :code AND redeemed < most
             AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > :now) RETURNING amount"""
    rows = tx.run(sql, code=code, now=now_s)
    return NanoUsd(rows[0][0]) if rows else None


def note_redemption(tx: Transaction, code: str, user: UserId, now_s: float) -> bool:
    """Note who redeemed the code; False when he did so before."""
    sql = """INSERT INTO redemptions (code, user_id, at) VALUES (:code, :user, :now)
             ON CONFLICT (code, user_id) DO NOTHING RETURNING code"""
    return bool(tx.run(sql, code=code, user=user, now=now_s))


def has_redeemed(tx: Transaction, code: str, user: UserId) -> bool:
    """Whether the user has redeemed the code."""
    return bool(tx.run("SELECT 1 FROM redemptions WHERE code = :code AND user_id = :user", code=code, user=user))


_REFERRER = "user_id, code, name, referrals, earned"


def add_referrer(tx: Transaction, new: Referrer) -> bool:
    """Give a user a referral code; False when he has one, or the code is another's."""
    sql = """INSERT INTO referrers (user_id, code, name) VALUES (:user, :code, :name)
             ON CONFLICT DO NOTHING RETURNING code"""
    return bool(tx.run(sql, user=new.user, code=new.code, name=new.name))


def referrer_of(tx: Transaction, user: UserId) -> Referrer | None:
    """The user as a referrer."""
    rows = tx.run(f"SELECT {_REFERRER} FROM referrers WHERE user_id = :user", user=user)
    return _referrer(rows[0]) if rows else None


def referrer_by_code(tx: Transaction, code: str) -> Referrer | None:
    """Whose code it is."""
    rows = tx.run(f"SELECT {_REFERRER} FROM referrers WHERE code = :code", code=code)
    return _referrer(rows[0]) if rows else None


def rename_referrer(tx: Transaction, user: UserId, name: str) -> None:
    """Call a referrer by another name."""
    tx.run("UPDATE referrers SET name = :name WHERE user_id = :user", user=user, name=name)


def referred_by(tx: Transaction, claimant: UserId) -> UserId | None:
    """Who brought the user."""
    rows = tx.run("SELECT referrer FROM referrals WHERE claimant = :claimant", claimant=claimant)
    return UserId(rows[0][0]) if rows else None


def note_referral(tx: Transaction, claimant: UserId, referrer: UserId, now_s: float) -> bool:
    """Note who brought whom; False when somebody brought him before."""
    sql = """INSERT INTO referrals (claimant, referrer, at) VALUES (:claimant, :referrer, :now)
             ON CONFLICT (claimant) DO NOTHING RETURNING claimant"""
    return bool(tx.run(sql, claimant=claimant, referrer=referrer, now=now_s))


def count_referral(tx: Transaction, referrer: UserId, amount: NanoUsd) -> None:
    """Add to what a referrer has achieved."""
    sql = "UPDATE referrers SET referrals = referrals + 1, earned = earned + :amount WHERE user_id = :user"
    tx.run(sql, user=referrer, amount=amount)


def leaders(tx: Transaction, limit: int) -> list[Referrer]:
    """Those who brought the most, first."""
    sql = f"SELECT {_REFERRER} FROM referrers WHERE referrals > 0 ORDER BY referrals DESC, user_id LIMIT :most"
    return [_referrer(row) for row in tx.run(sql, most=limit)]
