"""The search of one call for credit that is not at hand: leases more, and says when there is no more to lease."""

import asyncio
from collections.abc import Sequence
from types import TracebackType

from tollway.core.errors import BudgetExhausted, CreditsExhausted
from tollway.core.money import NanoUsd
from tollway.gateway.ledger.lease import Account
from tollway.gateway.ledger.leasing import Leasing

PAUSES = 10
"""How often a call looks whether other processes have given something back, while its patience lasts."""


class Search:
    """While it goes on, the owners' accounts know that somebody waits, and for how much."""

    def __init__(self, leasing: Leasing, patience_s: float) -> None:
        self._leasing, self._patience_s = leasing, patience_s
        self._arrived: dict[Account, tuple[int, NanoUsd]] = {}
        """The last request made before we came, and how much we wait for."""
        self._until_s: float | None = None

    def __enter__(self) -> "Search":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for account, (_, waited_for) in self._arrived.items():
            account.waiting -= waited_for

    async def more(self, needs: Sequence[tuple[Account, NanoUsd]], now_s: float) -> None:
        """Lease what is lacking of these.

        Raises CreditsExhausted or BudgetExhausted when an owner has not so much, Unavailable when nobody can tell.
        """
        for account, need in needs:
            if account not in self._arrived:
                self._arrived[account] = (account.asked, need)
                account.waiting += need
        lacking = [(account, need) for account, need in needs if not account.covers(need, now_s)]
        for account, need in lacking:
            # Only an answer to a request made after we came can say that there is not enough.
            if account.answered > self._arrived[account][0] and account.left < need:
                await self._wait(account, need, now_s)
        for request in [self._leasing.ask(account, need) for account, need in lacking]:
            await asyncio.shield(request)

    async def _wait(self, account: Account, need: NanoUsd, now_s: float) -> None:
        """Give other processes the time to return what lies idle with them, if that would be enough."""
        loop_s = asyncio.get_running_loop().time()
        if self._until_s is None:
            self._until_s = loop_s + self._patience_s
        if account.left + account.elsewhere < need or loop_s >= self._until_s:
            raise _refusal(account, need, now_s)
        self._leasing.give_back(account)  # what is too little here may, together with theirs, be enough for one of us
        await asyncio.sleep(self._patience_s / PAUSES)


def _refusal(account: Account, need: NanoUsd, now_s: float) -> CreditsExhausted:
    limit = account.limit
    if limit is None:
        return CreditsExhausted(account.left, need)
    ends_in_s = None if limit.ends_at_s is None else max(0.0, limit.ends_at_s - now_s)
    return BudgetExhausted(account.left, need, limit.level, limit.period, ends_in_s)
