"""Referrals: whoever brings a newcomer gets credit, and a place among the leaders."""

import base64
import functools
import hashlib
import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

from tollway.core.errors import BadRequest, Internal, NotFound
from tollway.core.ids import UserId
from tollway.gateway.auth import store as people
from tollway.gateway.billing import store
from tollway.gateway.billing.codes import CodeRefused
from tollway.gateway.billing.store import Referrer
from tollway.gateway.billing.subscriptions import HUB
from tollway.gateway.billing.terms import Terms
from tollway.gateway.ledger.store import Grant, grant
from tollway.kit.iso8601 import iso
from tollway.ports import Clock, Database, Transaction

DAY_S = 86_400.0
MOST_NAME = 40
LONGEST_CHAIN = 1_000
"""Who brought whom is followed so far: whoever may still claim is new, and brought no longer chain than that."""
TRIES = 5
_CODE = re.compile(r"[A-Z2-7]{8}")
_NAME = re.compile(r"[\w .'-]{1,40}")


class Standing(NamedTuple):
    """A user as a referrer, and who brought him."""

    referrer: Referrer
    claimed: bool
    claim_until_s: float
    """Until when he may claim a code himself."""


class Referrals:
    """Who brought whom."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        terms: Terms,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database, self._clock, self.terms, self._entropy = database, clock, terms, entropy

    async def standing(self, user: UserId) -> Standing:
        """The user's code, made when he first asks, and what it brought. Raises NotFound."""
        for _ in range(TRIES):
            fresh = Referrer(user, base64.b32encode(self._entropy(5)).decode(), pseudonym(user))
            found = await self._database.write(functools.partial(self._standing, fresh=fresh))
            if found is not None:
                return found
        raise Internal("no free referral code was found")

    def _standing(self, tx: Transaction, fresh: Referrer) -> Standing | None:
        owner = people.find_user(tx, fresh.user)
        if owner is None:
            raise NotFound(f"no user {fresh.user}")
        if store.referrer_of(tx, fresh.user) is None:
            store.add_referrer(tx, fresh)
        found = store.referrer_of(tx, fresh.user)
        if found is None:
            return None  # the code belongs to another
        claimed = store.referred_by(tx, fresh.user) is not None
        return Standing(found, claimed, owner.created_at_s + self.terms.claim_days * DAY_S)

    async def rename(self, user: UserId, name: str) -> Standing:
        """Choose what the leaderboard calls the user. Raises BadRequest for a name it will not show."""
        trimmed = name.strip()
        if not _NAME.fullmatch(trimmed):
            raise BadRequest(f"name must be 1 to {MOST_NAME} letters, digits, spaces and . ' - _", field="name")
        await self.standing(user)
        await self._database.write(lambda tx: store.rename_referrer(tx, user, trimmed))
        return await self.standing(user)

    async def claim(self, claimant: UserId, code: str) -> Referrer:
        """Say who brought the claimant: that user gets his credit. Raises NotFound for an unknown code, CodeRefused
        for one's own, a second one, an account that is not new, or two users who bring each other."""
        text, now_s = code.strip().upper(), self._clock.now_s()
        if not _CODE.fullmatch(text):
            raise NotFound("no such referral code", field="code")
        return await self._database.write(lambda tx: self._claim(tx, claimant, text, now_s))

    def _claim(self, tx: Transaction, claimant: UserId, code: str, now_s: float) -> Referrer:
        referrer = store.referrer_by_code(tx, code)
        if referrer is None:
            raise NotFound("no such referral code", field="code")
        if referrer.user == claimant:
            raise CodeRefused("self_referral", "this is your own code")
        for user in sorted((claimant, referrer.user)):  # both, so that two cannot bring each other at one time
            people.lock_user(tx, user)
        owner = people.find_user(tx, claimant)
        if owner is None:
            raise NotFound(f"no user {claimant}")
        if store.referred_by(tx, claimant) is not None:
            raise CodeRefused("already_referred", "you have claimed a referral before")
        until_s = owner.created_at_s + self.terms.claim_days * DAY_S
        if now_s > until_s:
            raise CodeRefused("too_late", f"a new account could claim a referral until {iso(until_s)}")
        if _brought(tx, claimant, referrer.user):
            raise CodeRefused("mutual_referral", "you have brought that user: he cannot have brought you")
        if not store.note_referral(tx, claimant, referrer.user, now_s):
            raise CodeRefused("already_referred", "you have claimed a referral before")
        amount = self.terms.referral
        store.count_referral(tx, referrer.user, amount)
        if amount:
            reference = f"referral:{claimant}"
            grant(tx, Grant(referrer.user, amount, "promo", HUB, f"brought {claimant}", reference, now_s))
        return referrer

    async def leaders(self, limit: int) -> list[Referrer]:
        """Those who brought the most, first."""
        return await self._database.read(lambda tx: store.leaders(tx, limit))


def _brought(tx: Transaction, earlier: UserId, later: UserId) -> bool:
    """Whether `earlier` brought `later`, himself or through those he brought: then a claim would close a ring."""
    one = later
    for _ in range(LONGEST_CHAIN):
        brought_by = store.referred_by(tx, one)
        if brought_by is None or brought_by == earlier:
            return brought_by is not None
        one = brought_by
    return False


def pseudonym(user: UserId) -> str:
    """A name that says nothing about its bearer."""
    return "friend-" + hashlib.sha256(user.encode()).hexdigest()[:6]
