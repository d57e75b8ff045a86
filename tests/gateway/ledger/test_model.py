"""Two processes' ledgers against a naive model: purses, a set of holds, and a list of receipts."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from tests.gateway.ledger.books import ANN, BOB, Books, StillClock, bill, nano, new_call
from tests.gateway.ledger.test_recovery import die
from tollway.backends import sql
from tollway.core.caller import Budget, Level, Payer
from tollway.core.errors import BadRequest, BudgetExhausted, CreditsExhausted
from tollway.core.ids import CallId, UserId
from tollway.core.receipt import Reason
from tollway.gateway.ledger import store
from tollway.gateway.ledger.lease import Rules
from tollway.gateway.ledger.ledger import Hold, Ledger

USERS = st.sampled_from([ANN, BOB])
AMOUNTS = st.integers(0, 5_000)
PROCESSES = st.sampled_from(["one", "two"])
LIMIT = 6_000
RULES = Rules(patience_s=0.1, heed_s=0.01)
PAYERS = {
    (user, limited): Payer(user, (Level(f"key_{user}", (Budget(nano(LIMIT), "total"),)),) if limited else ())
    for user in (ANN, BOB)
    for limited in (False, True)
}


@dataclass(eq=False)
class Open:
    """A hold that is not ended yet."""

    hold: Hold
    process: str
    user: UserId
    limited: bool
    secure: bool = True
    """Its lease has not been taken away."""


class LedgersAgainstModel(RuleBasedStateMachine):
    """Any order of grants, holds, ends, freezes and deaths leaves exact books, and nobody overdrawn or over budget."""

    holds = Bundle("holds")

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.database = sql.open("sqlite://", self.folder)
        self.do(self.database.migrate())
        self.books = Books(self.folder, self.database)
        self.clock: StillClock = self.books.clock
        self.given = {ANN: 0, BOB: 0}
        self.open: set[Open] = set()
        self.ended: dict[CallId, tuple[UserId, bool, int, int]] = {}
        """Who paid, through a budget or not, at least and at most how much."""
        self.ledgers: dict[str, Ledger] = {}
        for name in ("one", "two"):
            self.start(name)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    def start(self, name: str) -> None:
        self.ledgers[name] = self.books.ledger(name, RULES)
        self.do(self.ledgers[name].start())

    # ------------------------------------------------------------ what the model says

    def charged(self) -> dict[CallId, int]:
        for ledger in self.ledgers.values():
            self.do(ledger.flush())
        return self.do(self.books.receipts())

    def total(self, user: UserId) -> int:
        return self.given[user] - sum(c for call, c in self.charged().items() if self.ended[call][0] == user)

    def budget(self, user: UserId) -> int:
        """What the budget still allows, holds aside."""
        used = sum(c for call, c in self.charged().items() if self.ended[call][:2] == (user, True))
        return LIMIT - used

    def held(self, user: UserId, *, limited: bool = False) -> int:
        return sum(o.hold.amount for o in self.open if o.user == user and o.secure and o.limited >= limited)

    def orphaned(self, owner: str) -> int:
        """What leases of dead processes still have."""
        alive = [ledger._journal.process for ledger in self.ledgers.values()]
        rows = self.do(
            self.database.read(
                lambda tx: tx.run("SELECT process, taken - spent FROM leases WHERE owner = :owner", owner=owner)
            )
        )
        return sum(unspent for process, unspent in rows if process not in alive)

    def take(self, process: str, user: UserId, limited: bool, hold: Hold) -> Open:
        """A hold was given: what is held is covered, on every level."""
        opened = Open(hold, process, user, limited)
        self.open.add(opened)
        self.covered(opened)
        return opened

    def covered(self, opened: Open) -> None:
        assert self.held(opened.user) <= self.total(opened.user)
        assert self.held(opened.user, limited=True) <= self.budget(opened.user)

    def end(self, opened: Open, least: int, most: int) -> None:
        self.open.discard(opened)
        self.ended[opened.hold.call] = (opened.user, opened.limited, least, most)

    # ------------------------------------------------------------ what may happen

    @rule(user=USERS, amount=AMOUNTS, kind=st.sampled_from(["plan", "promo", "topup"]))
    def grant(self, user: UserId, amount: int, kind: str) -> None:
        self.do(self.ledgers["one"].grant(user, nano(amount), kind, "model", "a gift"))
        self.given[user] += amount

    @rule(target=holds, process=PROCESSES, user=USERS, ceiling=AMOUNTS, limited=st.booleans())
    def hold(self, process: str, user: UserId, ceiling: int, limited: bool) -> Any:
        try:
            hold = self.do(self.ledgers[process].hold(PAYERS[user, limited], nano(ceiling), new_call()))
        except BudgetExhausted:
            assert limited and ceiling > self.budget(user) - self.held(user, limited=True)
            return multiple()
        except CreditsExhausted:
            assert ceiling > self.total(user) - self.held(user) - self.orphaned(user)
            return multiple()
        return self.take(process, user, limited, hold)

    @rule(target=holds, process=PROCESSES, user=USERS, ceiling=AMOUNTS, limited=st.booleans())
    def try_hold(self, process: str, user: UserId, ceiling: int, limited: bool) -> Any:
        async def draw() -> Hold | None:
            return self.ledgers[process].try_hold(PAYERS[user, limited], nano(ceiling), new_call())

        hold = self.do(draw())
        return multiple() if hold is None else self.take(process, user, limited, hold)

    @rule(opened=holds, amount=st.integers(0, 2_000), wait=st.booleans())
    def extend(self, opened: Open, amount: int, wait: bool) -> None:
        if opened not in self.open:
            return

        async def grow() -> bool:
            try:
                return await opened.hold.extend(nano(amount)) if wait else opened.hold.try_extend(nano(amount))
            except CreditsExhausted:
                return False

        before = opened.hold.amount
        if self.do(grow()):
            assert opened.hold.amount == before + amount
            opened.secure = True
            self.covered(opened)
        else:
            assert opened.hold.amount == before

    @rule(opened=consumes(holds), per_mille=st.integers(0, 1_300), again=st.booleans())
    def settle(self, opened: Open, per_mille: int, again: bool) -> None:
        if opened not in self.open:
            return
        hold, user = opened.hold, opened.user
        held, owed = hold.amount, hold.amount * per_mille // 1_000
        free = self.total(user) - self.held(user)

        async def ending() -> int:
            charge = hold.settle(bill(hold.call, owed, user=user, cost=owed)).charge_nano_usd
            if again:
                hold.release(bill(hold.call, 0, user=user))
            return charge

        charge = self.do(ending())
        assert min(owed, held) <= charge <= owed
        if opened.secure:
            assert charge <= held + free
        self.end(opened, charge if opened.secure else 0, charge)

    @rule(opened=consumes(holds))
    def release(self, opened: Open) -> None:
        if opened not in self.open:
            return

        async def ending() -> None:
            opened.hold.release(bill(opened.hold.call, 7, user=opened.user, reason=Reason.FAILED))

        self.do(ending())
        self.end(opened, 0, 0)

    @rule(data=st.data(), part=st.one_of(st.none(), st.integers(1, 4_000)))
    def refund(self, data: st.DataObject, part: int | None) -> None:
        charged = {call: charge for call, charge in self.charged().items() if charge and not self.ended[call][1]}
        if not charged:
            return
        call = data.draw(st.sampled_from(sorted(charged)))
        wish = store.Refund(call, part, "model", "sorry", f"refund of {call}", self.clock.at_s)
        try:
            back = self.do(self.database.write(lambda tx: store.refund(tx, wish)))
        except BadRequest:
            assert part is not None and part > charged[call]
            return
        assert 0 <= back <= charged[call]
        self.given[self.ended[call][0]] += back

    @rule(seconds=st.sampled_from([1, 15, 21, 35]))
    def time_passes(self, seconds: int) -> None:
        self.clock.at_s += seconds
        for ledger in self.ledgers.values():
            self.do(tend(ledger))

    @rule(process=PROCESSES)
    def one_is_frozen_until_its_leases_are_taken_away(self, process: str) -> None:
        """The others renew theirs meanwhile; when it thaws it knows of nothing."""
        for _ in range(4):
            self.clock.at_s += 21
            for name, ledger in self.ledgers.items():
                if name != process:
                    self.do(tend(ledger))
        for opened in self.open:
            if opened.process == process:
                opened.secure = False

    @rule(process=PROCESSES, written=st.booleans(), soon=st.booleans())
    def one_dies_and_rises(self, process: str, written: bool, soon: bool) -> None:
        async def death() -> None:
            if written:
                await self.ledgers[process].flush()
            await die(self.ledgers[process])

        self.do(death())
        if not soon:
            self.clock.at_s += 21
        for opened in [opened for opened in self.open if opened.process == process]:
            self.end(opened, 0, 0)
        self.start(process)

    @rule(process=PROCESSES)
    def one_stops_and_starts(self, process: str) -> None:
        for opened in [opened for opened in self.open if opened.process == process]:
            self.release(opened)
        self.do(self.ledgers[process].close())
        assert not list((self.folder / process / "journal").iterdir())
        self.start(process)

    @invariant()
    def agrees(self) -> None:
        charged = self.charged()
        assert charged.keys() == self.ended.keys()
        for call, charge in charged.items():
            _, _, least, most = self.ended[call]
            assert least <= charge <= most
        assert self.do(self.books.differences()) == []
        for user in (ANN, BOB):
            assert sum(self.do(self.books.pots(user)).values()) == self.total(user) >= self.held(user)
            assert self.budget(user) >= self.held(user, limited=True)
            for ledger in self.ledgers.values():
                assert self.do(ledger.balance(user)).held <= self.held(user) + self.unsure(user)

    def unsure(self, user: UserId) -> int:
        """What a process still thinks it holds of leases that were taken away."""
        return sum(opened.hold.amount for opened in self.open if opened.user == user and not opened.secure)

    def teardown(self) -> None:
        for ledger in self.ledgers.values():
            self.do(ledger.close())
        assert self.do(self.books.differences()) == []
        self.do(self.database.close())
        self.loop.close()
        shutil.rmtree(self.folder)


async def tend(ledger: Ledger) -> None:
    """What a process does again and again: renew, return what is idle, sweep."""
    await ledger.tend()
    while ledger._leasing.tasks:
        await asyncio.wait(ledger._leasing.tasks)


LedgersAgainstModel.TestCase.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedgersAgainstModel = LedgersAgainstModel.TestCase
