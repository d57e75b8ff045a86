"""One call's way through a pool: which accounts it may borrow, in which order, and none twice."""

import asyncio
import functools
from collections.abc import Awaitable, Callable

from tollway.gateway.accounts.account import Account
from tollway.gateway.accounts.oauth import NotRenewed, Revoked
from tollway.gateway.accounts.pool import Pool
from tollway.gateway.provider import Loan

Token = Callable[[], Awaitable[Account | None]]
"""Waits until an account has a token that is good; None when it has left the pool. Raises Revoked, NotRenewed."""


class Errand:
    """Whoever borrows gives back."""

    def __init__(self, pool: Pool, caller: str, session: str) -> None:
        """`session` is what the caller calls the conversation; it may be empty."""
        self._pool = pool
        self._session = f"{caller}\n{session}" if session else ""
        self._told = session or pool.own_session
        self._tried: set[str] = set()
        self._late: list[tuple[str, Token]] = []
        """Accounts whose renewal takes its time: the others come first."""
        self._spare: list[Account] = []
        """Could not be renewed, but their tokens have not ended yet: better than none."""

    async def borrow_as_it_is(self) -> Loan | None:
        """The next account whose token has not ended, which is not renewed; None when none is left.

        Raises as `borrow`, which then gives those that were passed by.
        """
        pool, passed_by = self._pool, set[str]()
        await pool.roster.load()
        while (chosen := pool.choose(self._session, self._tried | passed_by)) is not None:
            if pool.lives(chosen):
                self._tried.add(chosen.id)
                return self._loan(chosen)
            passed_by.add(chosen.id)
            pool.free(chosen.id)
        return None

    async def borrow(self) -> Loan | None:
        """The next account with its token; None when none is left.

        Raises Unavailable, OSError when the pool's file cannot be read.
        """
        pool = self._pool
        await pool.roster.load()
        while (chosen := pool.choose(self._session, self._tried)) is not None:
            self._tried.add(chosen.id)
            if pool.is_fresh(chosen):
                return self._loan(chosen)
            loan = await self._renewed(chosen.id, functools.partial(pool.fresh, chosen), pool.rules.slow_s)
            if loan is not None:
                return loan
        while self._late:
            name, token = self._late.pop(0)
            pool.take(name)
            loan = await self._renewed(name, token, None)
            if loan is not None:
                return loan
        while self._spare:
            account = self._spare.pop(0)
            if pool.lives(account):
                pool.take(account.id)
                return self._loan(account)
        return None

    async def renew(self, loan: Loan) -> Loan | None:
        """The same account with another token than the one that was refused; None when it has none to give in time.

        The account stays with the call: the loan that comes is given back in place of the old one.
        """
        try:
            async with asyncio.timeout(self._pool.rules.slow_s):
                account = await self._pool.renewed(loan)
        except TimeoutError:
            self._late.append((loan.account, functools.partial(self._pool.renewed, loan)))
            return None
        except (Revoked, NotRenewed):
            return None
        return None if account is None else self._loan(account)

    def give_back(self, loan: Loan) -> None:
        """The call has left the account, however it ended."""
        self._pool.free(loan.account)

    async def _renewed(self, name: str, token: Token, within_s: float | None) -> Loan | None:
        """A loan of this account, which is busy with this call already; None when it cannot be had."""
        pool = self._pool
        try:
            async with asyncio.timeout(within_s):
                account = await token()
            if account is not None:
                return self._loan(account)
        except TimeoutError:
            self._late.append((name, token))
        except NotRenewed:
            account = pool.roster.one(name)
            if account is not None:
                self._spare.append(account)
        except Revoked:
            pass
        except BaseException:
            pool.free(name)
            raise
        pool.free(name)
        return None

    def _loan(self, account: Account) -> Loan:
        return Loan(account.id, account.access_token, account.generation, account.account_id, self._told)
