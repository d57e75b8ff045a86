"""Vouchers: codes that are worth credit, redeemed at most so often and once by each user."""

import base64
import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

from tollway.core.errors import BadRequest, NotFound, RateLimited, TollwayError
from tollway.core.ids import UserId
from tollway.core.money import NanoUsd
from tollway.gateway.auth.lockout import Lockout, LockoutRule
from tollway.gateway.billing import store
from tollway.gateway.billing.codes import CodeRefused
from tollway.gateway.billing.store import Voucher
from tollway.gateway.ledger.store import Grant, grant
from tollway.ports import Clock, Database, Transaction

MOST_REDEMPTIONS = 10_000_000
MOST_NOTE = 500
GUESSES = LockoutRule(failures=10, within_s=300.0, locked_s=900.0)
"""Codes that do not exist, tried by one user within so long, shut him out of vouchers for so long."""
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{3,63}")


class GuessedTooOften(RateLimited):
    """This user tried too many codes that do not exist."""

    code = "voucher_locked"


class NewVoucher(NamedTuple):
    """A voucher as its maker wishes it."""

    amount: NanoUsd
    author: str
    code: str = ""
    """Empty: one that nobody can guess."""
    most: int = 1
    expires_at_s: float | None = None
    note: str = ""


class Vouchers:
    """All vouchers."""

    def __init__(self, database: Database, clock: Clock, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._database, self._clock, self._entropy = database, clock, entropy
        self._guesses = Lockout(GUESSES)

    async def create(self, wanted: NewVoucher) -> Voucher:
        """A new voucher. Raises BadRequest naming a bad field, CodeRefused when the code is taken."""
        now_s = self._clock.now_s()
        code = normal(wanted.code) if wanted.code.strip() else self._random()
        if not _CODE.fullmatch(code):
            raise BadRequest("code must be 4 to 64 letters, digits, - and _", field="code")
        if wanted.amount <= 0:
            raise BadRequest("credits must be more than 0", field="credits")
        if not 1 <= wanted.most <= MOST_REDEMPTIONS:
            raise BadRequest(f"max_redemptions must be from 1 to {MOST_REDEMPTIONS}", field="max_redemptions")
        if wanted.expires_at_s is not None and wanted.expires_at_s <= now_s:
            raise BadRequest("the voucher would have expired already", field="expires_at")
        if len(wanted.note) > MOST_NOTE or not (wanted.note.isprintable()):
            raise BadRequest(f"note must be at most {MOST_NOTE} printable characters", field="note")
        new = Voucher(code, wanted.amount, wanted.most, 0, wanted.note, wanted.author, now_s, wanted.expires_at_s)
        if not await self._database.write(lambda tx: store.add_voucher(tx, new)):
            raise CodeRefused("voucher_exists", f"there already is a voucher {code}")
        return new

    def _random(self) -> str:
        """60 random bits in three groups of four."""
        text = base64.b32encode(self._entropy(8)).decode()[:12]
        return "-".join(text[at : at + 4] for at in (0, 4, 8))

    async def all(self) -> list[Voucher]:
        """Every voucher, newest first."""
        return await self._database.read(store.list_vouchers)

    async def find(self, code: str) -> Voucher:
        """The voucher with this code. Raises NotFound."""
        text = normal(code)
        found = await self._database.read(lambda tx: store.find_voucher(tx, text)) if _CODE.fullmatch(text) else None
        if found is None:
            raise NotFound("no such voucher", field="code")
        return found

    async def disable(self, code: str) -> Voucher:
        """Let nobody redeem it any more; what was redeemed stays. Raises NotFound."""
        found, now_s = await self.find(code), self._clock.now_s()
        await self._database.write(lambda tx: store.disable_voucher(tx, found.code, now_s))
        return await self.find(code)

    async def redeem(self, user: UserId, code: str) -> NanoUsd:
        """Give the user the voucher's worth as top-up credit, in nano-dollars.

        Raises NotFound for an unknown code, CodeRefused when he or enough others redeemed it before or when its time
        is over, RateLimited when he tried too many unknown ones.
        """
        monotonic_s = self._clock.monotonic_s()
        try:
            self._guesses.check(user, monotonic_s)
        except RateLimited as locked:
            wait_s = locked.retry_after_s
            raise GuessedTooOften("too many vouchers that do not exist were tried", retry_after_s=wait_s) from None
        text = normal(code)
        if not _CODE.fullmatch(text):
            self._guesses.failed(user, monotonic_s)
            raise NotFound("no such voucher", field="code")
        now_s = self._clock.now_s()
        try:
            return await self._database.write(lambda tx: _redeem(tx, user, text, now_s))
        except NotFound:
            self._guesses.failed(user, monotonic_s)
            raise


def normal(code: str) -> str:
    """A code as it is kept, however it was typed."""
    return code.strip().upper()


def _redeem(tx: Transaction, user: UserId, code: str, now_s: float) -> NanoUsd:
    amount = store.claim_voucher(tx, code, now_s)
    if amount is None or not store.note_redemption(tx, code, user, now_s):
        raise _why_not(tx, user, code, now_s)
    reason = f"voucher {code}"
    if not grant(tx, Grant(user, amount, "topup", user, reason, f"voucher:{code}:{user}", now_s)):
        raise CodeRefused("voucher_already_redeemed", "credit for this voucher was given to you before")
    return amount


def _why_not(tx: Transaction, user: UserId, code: str, now_s: float) -> TollwayError:
    found = store.find_voucher(tx, code)
    if found is None:
        return NotFound("no such voucher", field="code")
    if store.has_redeemed(tx, code, user):
        return CodeRefused("voucher_already_redeemed", "you have redeemed this voucher before")
    if found.disabled_at_s is not None:
        return CodeRefused("voucher_disabled", "this voucher is not valid any more")
    if found.expires_at_s is not None and found.expires_at_s <= now_s:
        return CodeRefused("voucher_expired", "this voucher has expired")
    return CodeRefused("voucher_exhausted", "this voucher has been redeemed as often as it may be")
