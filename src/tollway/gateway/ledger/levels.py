"""The budgets a call is held from besides its user's credits: which period each is in, and what is leased of it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tollway.core.caller import Budget, Level, Payer
from tollway.gateway.ledger.budget import period, purse
from tollway.gateway.ledger.lease import Account, Lease, Limit

MOST = 10_000
"""Levels whose periods are remembered."""
NEVER = float("inf")

Drawn = tuple[Account, Lease]
Open = Callable[[str, Limit | None], Account]


class _Known(NamedTuple):
    """A level's budgets in their present periods."""

    budgets: tuple[Budget, ...]
    limits: tuple[tuple[str, Limit], ...]
    """Each with the owner's name under which it is kept."""
    until_s: float


class Levels:
    """Finds the accounts of a payer's levels; a new period begins with an account of its own."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self._accounts = accounts
        self._known: dict[str, _Known] = {}

    def covering(self, levels: Iterable[Level], amount: int, now_s: float) -> tuple[Drawn, ...] | None:
        """The leases of all the budgets, when each covers `amount`; None when one does not, or is not known here."""
        found: list[Drawn] = []
        for level in levels:
            for owner, limit in self._limits(level, now_s):
                account = self._accounts.get(owner)
                lease = account.lease if account is not None else None
                if account is None or lease is None or lease.free < amount or now_s > lease.trusted_until_s:
                    return None
                if account.limit is not limit and account.limit != limit:
                    return None  # it was changed: the database must hear of it first
                found.append((account, lease))
        return tuple(found)

    def accounts(self, payer: Payer, now_s: float, open_account: Open) -> list[Account]:
        """The user's account, and that of every budget, opened where they are new."""
        found: dict[str, Account] = {payer.user: open_account(payer.user, None)}
        for level in payer.levels:
            for owner, limit in self._limits(level, now_s):
                found[owner] = open_account(owner, limit)
        return list(found.values())

    def left(self, levels: Iterable[Level], now_s: float, most: int) -> int:
        """The least that any of the budgets has left, at most `most`; 0 when one is not known here."""
        for level in levels:
            for owner, _ in self._limits(level, now_s):
                account = self._accounts.get(owner)
                most = min(most, account.left if account is not None else 0)
        return most

    def _limits(self, level: Level, now_s: float) -> tuple[tuple[str, Limit], ...]:
        known = self._known.get(level.id)
        if known is not None and now_s < known.until_s and known.budgets == level.budgets:
            return known.limits
        if len(self._known) >= MOST:
            self._known.clear()
        known = self._known[level.id] = _known(level, now_s)
        return known.limits


def _known(level: Level, now_s: float) -> _Known:
    """Of two budgets of a level that share a name, the smaller counts."""
    limits: dict[str, Limit] = {}
    for budget in level.budgets:
        now = period(budget.period, budget.tz, now_s)
        owner = purse(level.id, budget.period, now.label)
        before = limits.get(owner)
        if before is None or budget.amount < before.amount:
            limits[owner] = Limit(level.id, budget.period, budget.amount, now.end_s)
    until_s = min((limit.ends_at_s for limit in limits.values() if limit.ends_at_s is not None), default=NEVER)
    return _Known(level.budgets, tuple(limits.items()), until_s)
