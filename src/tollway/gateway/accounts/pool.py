"""A pool of accounts: which one takes the next call, and what its answer means for it."""

import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from tollway.core.errors import NO_ACCOUNT, Fault, Remedy
from tollway.gateway.accounts.account import Account, Patience, limited, refused, worked
from tollway.gateway.accounts.renewal import Renew, Renewals
from tollway.gateway.accounts.reset import wait_s
from tollway.gateway.accounts.roster import Roster
from tollway.gateway.accounts.state_file import StateFile
from tollway.gateway.provider import Loan

MOST_SESSIONS = 10_000


class Rules(NamedTuple):
    """How a pool behaves: `[accounts.<name>]`."""

    patience: Patience = Patience()
    margin_ms: int = 300_000
    """A token that ends within this is renewed before it is used."""
    session_s: float = 3600.0
    """A conversation that was silent for so long may move to another account."""
    others_s: float = 25.0
    """How long another process may take to renew an account before a call gives up on that account."""
    slow_s: float = 3.0
    """After so long a wait for a renewal the other accounts of the pool are tried first."""


class NoAccountLeft(Fault):
    """No account of the pool can take the call now: another channel may."""

    def __init__(self, pool: str, retry_after_s: float | None) -> None:
        super().__init__(
            f"{pool}: no account is left that can answer now",
            status=503,
            remedy=Remedy.NEXT_CHANNEL,
            code=NO_ACCOUNT,
            retry_after_s=retry_after_s,
        )
        self.blameless = True  # a pool keeps its own books about its accounts


class Pool:
    """All accounts of one `[accounts.<name>]`, for every surface; reads its file at the first call."""

    def __init__(self, name: str, file: StateFile, rules: Rules, renew: Renew, now_s: Callable[[], float]) -> None:
        """`now_s`: Unix seconds."""
        self.name, self.rules, self._now_s = name, rules, now_s
        self.roster = Roster(file, self._now_ms)
        self._renewals = Renewals(self.roster, renew, rules.patience, self._now_ms, rules.others_s)
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """Who answers a conversation, and when it last asked; the one that asked last is the last."""
        self._busy: Counter[str] = Counter()
        self._last = ""
        """Who had the last turn."""
        self.own_session = str(uuid.uuid4())
        """What vendors are told a conversation is called that has no name."""

    def _now_ms(self) -> int:
        return int(self._now_s() * 1000)

    @property
    def renewals(self) -> Counter[str]:
        """What came of the renewals of tokens that this process did."""
        return self._renewals.outcomes

    async def look(self) -> None:
        """Learn what operators and other processes have changed. Raises Unavailable, OSError."""
        await self.roster.look()

    async def close(self) -> None:
        """Let renewals end, and what happened reach the file."""
        await self._renewals.close()
        await self.roster.close()

    # -- for errands -------------------------------------------------------------------------------------------

    def choose(self, session: str, tried: set[str]) -> Account | None:
        """The conversation's own account while it can be used, else the next in turn; it counts as busy from here."""
        everyone = self.roster.pool()
        usable = [one for one in everyone if one.id not in tried and self._may(one)]
        if not usable:
            return None
        chosen = self._kept(session, usable) if session else None
        if chosen is None:
            chosen = self._next(everyone, usable)
        if session:
            self._keep(session, chosen.id)
        self.take(chosen.id)
        return chosen

    def _next(self, everyone: list[Account], usable: list[Account]) -> Account:
        """Round and round: the first usable one behind whoever had the last turn."""
        places = {one.id: place for place, one in enumerate(everyone)}
        last = places.get(self._last, -1)
        chosen = min(usable, key=lambda one: (places[one.id] <= last, places[one.id]))
        self._last = chosen.id
        return chosen

    def _may(self, account: Account) -> bool:
        if account.cooldown_until:
            return False
        return not (account.probation and self._busy[account.id])

    def _kept(self, session: str, usable: list[Account]) -> Account | None:
        name, asked_s = self._sessions.get(session, ("", 0.0))
        if self._now_s() - asked_s > self.rules.session_s:
            return None
        return next((one for one in usable if one.id == name), None)

    def _keep(self, session: str, name: str) -> None:
        self._sessions[session] = (name, self._now_s())
        self._sessions.move_to_end(session)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def take(self, name: str) -> None:
        """A call uses the account."""
        self._busy[name] += 1

    def free(self, name: str) -> None:
        """A call has left the account."""
        self._busy[name] -= 1
        if self._busy[name] <= 0:
            del self._busy[name]

    def is_fresh(self, account: Account) -> bool:
        """Whether its token is good for a while."""
        return account.expires_at - self._now_ms() > self.rules.margin_ms

    async def fresh(self, stale: Account) -> Account:
        """The account with another token than this. Raises Revoked, NotRenewed."""
        return await self._renewals.fresh(stale)

    async def renewed(self, loan: Loan) -> Account | None:
        """The account with another token than this, which was refused; None when it has left the pool.

        Raises Revoked, NotRenewed.
        """
        account = self.roster.one(loan.account)
        if account is None or account.generation != loan.generation:
            return account
        return await self._renewals.fresh(account)

    def lives(self, account: Account) -> bool:
        """Whether its token can still be used, though it should have been renewed."""
        known = self.roster.one(account.id)
        return known is not None and not known.cooldown_until and account.expires_at > self._now_ms()

    def worked(self, name: str) -> None:
        """It answered."""
        now = self._now_ms()
        self.roster.happened(name, lambda one: worked(one, now))

    def failed(self, name: str, fault: Fault) -> None:
        """It refused: 429 is a rest at once, 401 and 403 count."""
        now, patience = self._now_ms(), self.rules.patience
        if fault.status == 429:
            told_s = wait_s(fault.head, self._now_s()) or fault.retry_after_s
            wait_ms = patience.limited_ms if told_s is None else int(told_s * 1000)
            self.roster.happened(name, lambda one: limited(one, now, wait_ms))
        else:
            self.roster.happened(name, lambda one: refused(one, now, patience))

    def nobody(self) -> NoAccountLeft:
        """What to say when no account is left; with the time at which one comes back."""
        rests = [one.cooldown_until for one in self.roster.pool() if one.cooldown_until]
        now = self._now_ms()
        return NoAccountLeft(self.name, max(1.0, (min(rests) - now) / 1000) if rests else None)
