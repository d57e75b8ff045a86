"""The ledger against a naive model: a purse, a set of holds, and a list of receipts."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from tests.gateway.ledger.books import ANN, BOB, Books, StillClock, bill, nano, new_call
from tollway.backends import sql
from tollway.core.caller import Payer
from tollway.core.errors import CreditsExhausted
from tollway.core.ids import UserId
from tollway.core.receipt import Reason
from tollway.gateway.ledger.ledger import Hold, Ledger

USERS = st.sampled_from([ANN, BOB])
AMOUNTS = st.integers(0, 5_000)


class LedgerAgainstModel(RuleBasedStateMachine):
    """Any order of grants, holds, ends, pauses and deaths leaves exact books and nobody overdrawn."""

    holds = Bundle("holds")

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.database = sql.open("sqlite://", self.folder)
        self.do(self.database.migrate())
        self.books = Books(self.folder, self.database)
        self.clock: StillClock = self.books.clock
        self.purse = {ANN: 0, BOB: 0}
        self.open: dict[Hold, UserId] = {}
        self.ended: dict[str, int] = {}
        self.start()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    def start(self) -> None:
        self.ledger = Ledger(self.database, self.folder / "serve", self.clock)
        self.do(self.ledger.start())

    @rule(user=USERS, amount=AMOUNTS, kind=st.sampled_from(["plan", "promo", "topup"]))
    def grant(self, user: UserId, amount: int, kind: str) -> None:
        self.do(self.ledger.grant(user, nano(amount), kind, "model", "a gift"))
        self.purse[user] += amount

    @rule(target=holds, user=USERS, ceiling=AMOUNTS)
    def hold(self, user: UserId, ceiling: int) -> Any:
        try:
            hold = self.do(self.ledger.hold(Payer(user), nano(ceiling), new_call()))
        except CreditsExhausted:
            assert ceiling > self.purse[user]
            return multiple()
        assert ceiling <= self.purse[user]
        self.purse[user] -= ceiling
        self.open[hold] = user
        return hold

    @rule(target=holds, user=USERS, ceiling=AMOUNTS)
    def try_hold(self, user: UserId, ceiling: int) -> Any:
        async def draw() -> Hold | None:
            return self.ledger.try_hold(Payer(user), nano(ceiling), new_call())

        hold = self.do(draw())
        if hold is None:
            return multiple()
        assert ceiling <= self.purse[user]
        self.purse[user] -= ceiling
        self.open[hold] = user
        return hold

    @rule(hold=consumes(holds), per_mille=st.integers(0, 1_300), again=st.booleans())
    def settle(self, hold: Hold, per_mille: int, again: bool) -> None:
        if hold not in self.open:
            return
        user, owed = self.open.pop(hold), hold.amount * per_mille // 1_000
        held = hold.amount
        charge = hold.settle(bill(hold.call, owed, user=user, cost=owed)).charge_nano_usd
        if again:
            hold.release(bill(hold.call, 0, user=user))
        assert min(owed, held) <= charge <= min(owed, held + self.purse[user])
        self.ended[hold.call] = charge
        self.purse[user] += held - charge

    @rule(hold=consumes(holds))
    def release(self, hold: Hold) -> None:
        if hold not in self.open:
            return
        user = self.open.pop(hold)
        hold.release(bill(hold.call, 7, user=user, reason=Reason.FAILED))
        self.ended[hold.call] = 0
        self.purse[user] += hold.amount

    @rule(seconds=st.sampled_from([1, 15, 21, 35]))
    def time_passes(self, seconds: int) -> None:
        self.clock.at_s += seconds

        async def tend() -> None:
            await self.ledger.tend()
            while self.ledger._leasing.tasks:
                await asyncio.wait(self.ledger._leasing.tasks)

        self.do(tend())

    @rule()
    def flush(self) -> None:
        self.do(self.ledger.flush())

    @rule()
    def another_process_sweeps(self) -> None:
        other = Ledger(self.database, self.folder / "other", self.clock)
        assert self.do(other.sweep()) == 0

    @rule(written=st.booleans())
    def die_and_rise(self, written: bool) -> None:
        async def die() -> None:
            if written:
                await self.ledger.flush()
            self.ledger._leasing._leaving.clear()
            for task in [*self.ledger._leasing.tasks, *self.ledger._loops, self.ledger.writer._task]:
                task.cancel()
                await asyncio.wait([task])
            self.ledger._journal.close(remove=False)
            os.close(self.ledger._lock)

        self.do(die())
        for hold, user in self.open.items():
            self.purse[user] += hold.amount
            self.ended[hold.call] = 0
        self.open.clear()
        self.start()

    @rule()
    def stop_and_start(self) -> None:
        for hold, user in list(self.open.items()):
            hold.release(bill(hold.call, 0, user=user))
            self.ended[hold.call] = 0
            self.purse[user] += hold.amount
        self.open.clear()
        self.do(self.ledger.close())
        assert not list((self.folder / "serve" / "journal").iterdir())
        self.start()

    @invariant()
    def agrees(self) -> None:
        for user in (ANN, BOB):
            balance = self.do(self.ledger.balance(user))
            assert balance.left == self.purse[user]
            assert balance.held == sum(hold.amount for hold, owner in self.open.items() if owner == user)
            assert self.ledger.left(Payer(user)) <= self.purse[user]
        assert self.do(self.books.differences()) == []
        assert self.do(self.books.receipts()) == self.ended

    def teardown(self) -> None:
        self.do(self.ledger.close())
        assert self.do(self.books.differences()) == []
        self.do(self.database.close())
        self.loop.close()
        shutil.rmtree(self.folder)


LedgerAgainstModel.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedgerAgainstModel = LedgerAgainstModel.TestCase
