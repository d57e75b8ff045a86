"""The store against a naive model: any mix of pots, and any order of leases, settlements, returns and expiries."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.gateway.ledger.store.desk import DAY_S, TTL_S, Desk, ended
from tests.postgres import installed, shared
from tollway.backends import sql
from tollway.core.errors import BadRequest
from tollway.core.ids import LeaseId, UserId
from tollway.gateway.ledger import store
from tollway.gateway.ledger.cycle import cycle
from tollway.gateway.ledger.journal import Ended

AMOUNTS = st.integers(1, 400)
SOURCES = ("plan", "promo", "topup")
_names = itertools.count(1)


class Pot:
    """A pot as anybody would keep it."""

    def __init__(self, kind: str, balance: int, expires_at: float | None, made: int) -> None:
        self.kind, self.balance, self.expires_at, self.made = kind, balance, expires_at, made

    def turn(self) -> tuple[int, float, int]:
        return SOURCES.index(self.kind), self.expires_at or float("inf"), self.made


class Lease:
    """A lease as anybody would keep it."""

    def __init__(self, draw: store.Draw, process: str, left: int, expires_at: float) -> None:
        self.draw, self.process, self.left, self.expires_at = draw, process, left, expires_at


class StoreAgainstModel(RuleBasedStateMachine):
    """Plan first, first-expiring first, refunds last-taken first; nobody below zero; every sum exact."""

    def open(self) -> str:
        """A new database, brought forward: its URL."""
        self.folder = Path(tempfile.mkdtemp())
        return "sqlite://"

    @initialize()
    def begin(self) -> None:
        url = self.open()
        self.loop = asyncio.Runner()
        self.database = sql.open(url, self.folder)
        self.do(self.database.migrate())
        self.desk = Desk(self.database)
        self.user = UserId(f"usr_{next(_names)}")
        self.made = itertools.count()
        self.pots: list[Pot] = []
        self.fixed: dict[str, Pot] = {}
        self.leases: list[Lease] = []
        self.gone: list[store.Draw] = []
        self.plan: tuple[str, int, float] | None = None
        self.cycle_end = 0.0
        self.paid: dict[str, tuple[Ended, list[tuple[Pot, int]]]] = {}
        self.back: dict[str, int] = {}

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    # ------------------------------------------------------------ the model

    @property
    def total(self) -> int:
        return sum(pot.balance for pot in self.pots)

    @property
    def held(self) -> int:
        return sum(lease.left for lease in self.leases)

    def new_pot(self, kind: str, amount: int, expires_at: float | None) -> Pot:
        pot = Pot(kind, amount, expires_at, next(self.made))
        self.pots.append(pot)
        return pot

    def draw(self, amount: int) -> list[tuple[Pot, int]]:
        parts = []
        for pot in sorted(self.pots, key=Pot.turn):
            part = min(amount, pot.balance)
            if part:
                pot.balance -= part
                amount -= part
                parts.append((pot, part))
        return parts

    def refresh(self) -> None:
        now = self.desk.now_s
        if self.plan is not None and self.cycle_end <= now:
            self.cycle_end = cycle(self.plan[2], now).end_s
            self.new_pot("plan", self.plan[1], self.cycle_end)
        for pot in sorted(self.pots, key=Pot.turn):
            if pot.expires_at is not None and pot.expires_at <= now:
                pot.balance -= max(0, min(pot.balance, self.total - self.held))

    # ------------------------------------------------------------ what may happen

    @rule(kind=st.sampled_from(SOURCES), amount=AMOUNTS, days=st.sampled_from([None, 1, 2, 20]))
    def grant(self, kind: str, amount: int, days: int | None) -> None:
        expires_at = self.desk.now_s + days * DAY_S if days and kind == "promo" else None
        assert self.do(self.desk.grant(amount, kind, owner=self.user, expires_at=expires_at))
        if kind == "plan":
            self.refresh()
        if kind == "plan" and self.plan is not None:
            self.new_pot(kind, amount, self.cycle_end)
        elif kind == "promo":
            self.new_pot(kind, amount, expires_at)
        elif kind in self.fixed:
            self.fixed[kind].balance += amount
        else:
            self.fixed[kind] = self.new_pot(kind, amount, None)

    @rule(kind=st.sampled_from(SOURCES), amount=AMOUNTS)
    def take_back(self, kind: str, amount: int) -> None:
        was = [(pot, pot.balance) for pot in self.pots]
        self.refresh()
        fitting = [pot for pot in sorted(self.pots, key=Pot.turn, reverse=True) if pot.kind == kind]
        most = min(sum(pot.balance for pot in fitting), self.total - self.held)
        try:
            self.do(self.desk.grant(-amount, kind, owner=self.user))
        except BadRequest:
            assert amount > most
            for pot, balance in was:
                pot.balance = balance
            self.do(self.desk.do(lambda tx: store.refresh(tx, self.user, self.desk.now_s)))
            self.refresh()
            return
        assert amount <= most
        for pot in fitting:
            part = min(amount, pot.balance)
            pot.balance -= part
            amount -= part

    @rule(amount=st.integers(0, 400))
    def subscribe(self, amount: int) -> None:
        name = f"plan {amount}"
        new = store.Subscription(self.user, name, amount, "test", self.desk.now_s)
        changed = self.do(self.desk.do(lambda tx: store.subscribe(tx, new)))
        assert changed == (self.plan is None or self.plan[:2] != (name, amount))
        if not changed:
            return
        if self.plan is not None:
            for pot in self.pots:
                if pot.kind == "plan" and pot.expires_at is not None and pot.expires_at > self.desk.now_s:
                    pot.expires_at = self.desk.now_s
        self.plan = (name, amount, self.desk.now_s) if amount else None
        if amount:
            self.cycle_end = cycle(self.desk.now_s, self.desk.now_s).end_s
            self.new_pot("plan", amount, self.cycle_end)
        self.refresh()

    @rule(need=st.integers(0, 300), want=st.integers(0, 600), process=st.sampled_from(["one", "two"]))
    def take(self, need: int, want: int, process: str) -> None:
        wish = self.desk.wish(need, want, owner=self.user, process=process)
        taken = self.do(self.desk.do(lambda tx: store.take(tx, wish)))
        self.refresh()
        free = self.total - self.held
        if free < need:
            assert taken == (0, 0, free, self.held)
            return
        assert taken.amount == min(free, max(need, min(want, free // 4)))
        draw = (self.user, wish.lease, taken.fence)
        self.leases.append(Lease(draw, process, taken.amount, wish.expires_at))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), need=st.integers(0, 200))
    def extend(self, data: st.DataObject, need: int) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        _, name, fence = lease.draw
        wish = self.desk.wish(need, owner=self.user)._replace(lease=name, fence=fence)
        taken = self.do(self.desk.do(lambda tx: store.take(tx, wish)))
        self.refresh()
        free = self.total - self.held
        assert taken.amount == (need if free >= need else 0)
        lease.expires_at = wish.expires_at
        lease.left += taken.amount

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), shares=st.lists(st.integers(0, 120), min_size=1, max_size=4), twice=st.booleans())
    def settle(self, data: st.DataObject, shares: list[int], twice: bool) -> None:
        """Several calls in a batch, drawn from any leases; together they may be more than a lease has."""
        calls = []
        for share in shares:
            lease = data.draw(st.sampled_from(self.leases))
            charge = lease.left * share // 100
            calls.append((lease, ended((lease.draw,), charge, user=self.user, cost=charge // 2, at_s=self.desk.now_s)))
        self.do(self.desk.settle(*(call for _, call in calls)))
        late = []
        for lease, call in calls:
            charge = call.receipt.charge_nano_usd
            if charge <= lease.left:
                lease.left -= charge
                self.pay(call, charge)
            else:
                late.append(call)
        for call in late:
            self.pay(call, min(call.receipt.charge_nano_usd, self.total - self.held))
        if twice:
            self.do(self.desk.settle(*(call for _, call in calls)))

    @precondition(lambda self: self.gone)
    @rule(data=st.data(), charge=AMOUNTS)
    def settle_under_a_lease_that_is_gone(self, data: st.DataObject, charge: int) -> None:
        call = ended((data.draw(st.sampled_from(self.gone)),), charge, user=self.user, at_s=self.desk.now_s)
        self.do(self.desk.settle(call))
        self.pay(call, min(charge, self.total - self.held))

    def pay(self, call: Ended, amount: int) -> None:
        parts = self.draw(amount)
        assert sum(part for _, part in parts) == amount
        assert self.do(self.desk.charged(call)) == (amount, call.receipt.charge_nano_usd - amount)
        self.paid[call.receipt.id] = (call, parts)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), amount=st.none() | st.integers(0, 300))
    def give_back(self, data: st.DataObject, amount: int | None) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        back = lease.left if amount is None else min(amount, lease.left)
        assert self.do(self.desk.give_back(lease.draw, amount)) == back
        lease.left -= back
        if amount is None:
            self.forget(lease)
        if back:
            self.refresh()

    def forget(self, lease: Lease) -> None:
        self.leases.remove(lease)
        self.gone.append(lease.draw)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        later = self.desk.now_s + TTL_S
        named = [LeaseId(one.draw[1]) for one in (lease, self.leases[0])]
        ours = self.do(self.desk.do(lambda tx: store.renew(tx, named, lease.process, later)))
        for one in (lease, self.leases[0]):
            assert (one.draw[1] in ours) == (one.process == lease.process)
            if one.process == lease.process:
                one.expires_at = later

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0, DAY_S, 31 * DAY_S]))
    def time_passes(self, seconds: float) -> None:
        self.desk.now_s += seconds

    @rule()
    def sweep(self) -> None:
        swept = self.do(self.desk.sweep())
        ran_out = [lease for lease in self.leases if lease.expires_at < self.desk.now_s]
        assert swept is not None
        assert (swept.leases, swept.unspent) == (len(ran_out), sum(lease.left for lease in ran_out))
        for lease in ran_out:
            self.forget(lease)
        self.refresh()

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), share=st.integers(0, 120))
    def refund(self, data: st.DataObject, share: int) -> None:
        call, parts = self.paid[data.draw(st.sampled_from(sorted(self.paid)))]
        done = self.back.get(call.receipt.id, 0)
        left = sum(part for _, part in parts) - done
        amount = left * share // 100
        try:
            assert self.do(self.desk.refund(call, amount)) == amount
        except BadRequest:
            assert amount > left
            return
        assert amount <= left
        self.back[call.receipt.id] = done + amount
        for pot, part in reversed(parts):
            passed = min(done, part)
            back = min(part - passed, amount)
            done, amount = done - passed, amount - back
            pot.balance += back

    @invariant()
    def agrees(self) -> None:
        expected = [(pot.kind, pot.balance) for pot in sorted(self.pots, key=Pot.turn) if pot.balance]
        assert self.do(self.desk.pots(self.user)) == expected
        assert self.do(self.desk.reserved(self.user)) == self.held <= self.total
        assert self.do(self.desk.differences()) == []

    def teardown(self) -> None:
        for call, parts in self.paid.values():
            kinds = [(pot.kind, amount) for pot, amount in parts]
            assert self.do(self.desk.paid(call)) == kinds
        self.do(self.database.close())
        self.loop.close()
        shutil.rmtree(self.folder)


class StoreOnPostgres(StoreAgainstModel):
    """The same, on the other database; each example is another user there."""

    def open(self) -> str:
        self.folder = Path(tempfile.mkdtemp())
        return shared().fresh()


FEW = settings(max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
TestStoreAgainstModel = StoreAgainstModel.TestCase
TestStoreAgainstModel.settings = FEW
if installed() is not None:
    TestStoreOnPostgres = StoreOnPostgres.TestCase
    TestStoreOnPostgres.settings = settings(FEW, max_examples=5, stateful_step_count=25)
