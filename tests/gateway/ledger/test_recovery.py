"""A process dies at any moment; the next one puts its books right."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.ledger.books import ANN, Books, bill, nano, new_books, new_call
from tollway.core.caller import Payer
from tollway.core.errors import Unavailable
from tollway.core.ids import LeaseId
from tollway.core.receipt import Reason
from tollway.gateway.ledger.journal import Held, dead_journals, ended
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.ledger.recovery import terminals


async def die(ledger: Ledger) -> None:
    """Stop like a killed process: nothing is written, nothing is returned, and its locks fall."""
    ledger._leasing._leaving.clear()
    for task in [*ledger._leasing.tasks, *ledger._loops, ledger.writer._task]:
        task.cancel()
        await asyncio.wait([task])
    ledger._journal.close(remove=False)
    os.close(ledger._lock)


async def test_a_call_that_ended_before_the_kill_is_charged_and_one_that_had_not_is_free(books: Books) -> None:
    await books.give(1_000)
    ledger = Ledger(books.database, books.folder / "serve", books.clock)
    await ledger.start()
    done, lost = new_call(), new_call()
    first = await ledger.hold(Payer(ANN), nano(100), done)
    await ledger.hold(Payer(ANN), nano(300), lost)
    first.settle(bill(done, 70))
    await die(ledger)
    async with books.open("serve") as heir:
        assert (await heir.balance(ANN)).topup == 930
        charged, expired = await heir.receipt(done, ANN), await heir.receipt(lost, ANN)
        assert charged is not None and charged.charge_nano_usd == 70
        assert expired is not None and (expired.reason, expired.charge_nano_usd) == (Reason.EXPIRED, 0)
    assert await books.differences() == []
    assert await books.one("SELECT COUNT(*) FROM leases") == 0
    assert await books.reserved() == 0


async def test_replaying_a_journal_twice_changes_nothing(books: Books, tmp_path: Path) -> None:
    await books.give(1_000)
    ledger = Ledger(books.database, books.folder / "serve", books.clock)
    await ledger.start()
    for charge in (10, 20, 30):
        call = new_call()
        (await ledger.hold(Payer(ANN), nano(100), call)).settle(bill(call, charge))
    await die(ledger)
    journals = books.folder / "serve" / "journal"
    saved = {path: path.read_bytes() for path in journals.rglob("*") if path.is_file()}
    for _ in range(2):
        for path, content in saved.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        async with books.open("serve") as heir:
            assert (await heir.balance(ANN)).left == 940
    assert len(await books.receipts()) == 3
    assert await books.differences() == []


async def test_a_process_killed_after_writing_and_before_forgetting_charges_once(books: Books) -> None:
    await books.give(1_000)
    ledger = Ledger(books.database, books.folder / "serve", books.clock)
    await ledger.start()
    call = new_call()
    (await ledger.hold(Payer(ANN), nano(100), call)).settle(bill(call, 60))
    await ledger.flush()
    await die(ledger)
    async with books.open("serve") as heir:
        assert (await heir.balance(ANN)).left == 940
    assert await books.differences() == []


async def test_a_lease_nobody_renews_is_swept_and_its_late_call_is_still_charged_once(books: Books) -> None:
    await books.give(1_000)
    ledger = Ledger(books.database, books.folder / "one", books.clock)
    await ledger.start()
    call = new_call()
    hold = await ledger.hold(Payer(ANN), nano(1_000), call)
    books.clock.at_s += 61
    async with books.open("two") as other:
        assert (await other.balance(ANN)).left == 1_000
        second = new_call()
        (await other.hold(Payer(ANN), nano(1_000), second)).settle(bill(second, 600))
    hold.settle(bill(call, 500))
    await ledger.flush()
    assert await books.differences() == []
    assert (await books.receipts())[call] == 400
    assert await books.one("SELECT balance FROM accounts WHERE kind = 'absorbed_loss'") == -100
    assert ledger.try_hold(Payer(ANN), nano(1), new_call()) is None
    await ledger.close()
    assert await books.differences() == []


async def test_the_owner_of_a_lost_lease_learns_of_it_and_leases_anew(books: Books) -> None:
    await books.give(1_000)
    async with books.open("one") as ledger:
        call = new_call()
        (await ledger.hold(Payer(ANN), nano(100), call)).settle(bill(call, 10))
        books.clock.at_s += 61
        async with books.open("two"):
            pass
        second = new_call()
        (await ledger.hold(Payer(ANN), nano(990), second)).settle(bill(second, 990))
        assert (await ledger.balance(ANN)).left == 0
    assert await books.differences() == []


async def test_a_lease_not_renewed_in_time_is_renewed_before_it_is_drawn_on_again(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        (await ledger.hold(Payer(ANN), nano(1_000), call)).settle(bill(call, 0))
        books.clock.at_s += 55
        second = new_call()
        assert ledger.try_hold(Payer(ANN), nano(1_000), second) is None
        (await asyncio.wait_for(ledger.hold(Payer(ANN), nano(1_000), second), 5)).settle(bill(second, 1))
        assert await books.one("SELECT expires_at FROM leases") == books.clock.now_s() + 60
    assert await books.differences() == []


async def test_a_ledger_closed_while_the_database_is_away_leaves_its_calls_to_the_next_start(
    books: Books,
) -> None:
    await books.give(1_000)
    database = Flaky(books)
    ledger = Ledger(database, books.folder / "serve", books.clock)
    await ledger.start()
    call = new_call()
    hold = await ledger.hold(Payer(ANN), nano(300), call)
    database.away = True
    hold.settle(bill(call, 200))
    await ledger.close(within_s=0.05)
    async with books.open("serve") as heir:
        assert (await heir.balance(ANN)).left == 800
    assert await books.differences() == []


async def test_leases_in_use_are_renewed_and_idle_ones_are_returned(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        hold = await ledger.hold(Payer(ANN), nano(100), call)
        for _ in range(10):
            books.clock.at_s += 20.5
            await ledger.tend()
        assert await books.one("SELECT expires_at FROM leases") > books.clock.now_s()
        hold.settle(bill(call, 40))
        await ledger.flush()
        books.clock.at_s += 31
        await ledger.tend()
        await asyncio.gather(*ledger._leasing.tasks)
        assert await books.pots() == {"topup": 960}
        assert await books.one("SELECT COUNT(*) FROM leases") == 0
    assert await books.differences() == []


KILLED = """
import asyncio, random, sys, time
from pathlib import Path
from tests.gateway.ledger.books import ANN, BOB, bill, nano, StillClock
from tollway.backends import sql
from tollway.core.caller import Payer
from tollway.core.errors import CreditsExhausted
from tollway.core.ids import CallId
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.ledger.recovery import terminals

async def call(ledger, dice, number, user):
    name = CallId(f"req_01a3185c-5000-7000-8000-{int(sys.argv[2]):04x}{number:08x}")
    try:
        hold = await ledger.hold(Payer(user), nano(dice.randint(1, 3_000)), name)
    except CreditsExhausted:
        return
    print("held", name, flush=True)
    await asyncio.sleep(dice.random() / 50)
    owed = dice.randint(0, int(hold.amount))
    if dice.random() < 0.2:
        hold.release(bill(name, 0, user=user))
        owed = 0
    else:
        hold.settle(bill(name, owed, user=user, cost=owed // 2))
    print("ended", name, owed, flush=True)

async def main():
    folder, dice = Path(sys.argv[1]), random.Random(sys.argv[2])
    database = sql.open("sqlite://", folder)
    ledger = Ledger(database, folder / "serve", StillClock())
    await ledger.start()
    print("started", flush=True)
    number = 0
    while True:
        batch = range(number, number := number + 20)
        await asyncio.gather(*(call(ledger, dice, n, dice.choice((ANN, BOB))) for n in batch))

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
async def test_a_real_process_killed_in_the_middle_of_its_calls_loses_and_doubles_nothing(
    tmp_path: Path, seed: int
) -> None:
    async with new_books(tmp_path) as books:
        await books.give(400_000)
        await books.give(10_000, kind="plan")
        dice, ended, held = random.Random(seed), {}, set()
        for life in range(3):
            for words in run_and_kill(tmp_path, str(10 * seed + life), dice.uniform(0.05, 0.4)):
                if words[0] == "ended":
                    ended[words[1]] = int(words[2])
                if words[0] == "held":
                    held.add(words[1])
            async with books.open("serve"):
                assert await books.differences() == []
        charged = await books.receipts()
        assert {call: charged.get(call) for call in ended} == ended
        assert held <= charged.keys()
        assert len(ended) > 20
        assert list(dead_journals(tmp_path / "serve" / "journal")) == []


def run_and_kill(folder: Path, seed: str, after_s: float) -> list[list[str]]:
    """What a process said before it was killed, `after_s` into its work; a line cut short says nothing."""
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), seed], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    try:
        child.wait(after_s)
        pytest.fail("the process ended by itself")
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    said = child.stdout.read()
    child.wait()
    return [line.split() for line in said.splitlines(keepends=True) if line.endswith("\n")]


class Flaky:
    """A database that can be away; what it is asked then is not done, or done and not confirmed."""

    def __init__(self, books: Books) -> None:
        self._real = books.database
        self.away = self.forgets_to_answer = False
        self.asked = 0

    async def write(self, work):
        self.asked += 1
        if self.away:
            raise Unavailable("gone fishing")
        result = await self._real.write(work)
        if self.forgets_to_answer:
            self.forgets_to_answer = False
            raise Unavailable("the answer was lost")
        return result

    async def read(self, work):
        return await self._real.read(work)


async def test_calls_go_on_while_the_database_is_away_and_are_booked_when_it_is_back(books: Books) -> None:
    await books.give(100_000)
    database = Flaky(books)
    ledger = Ledger(database, books.folder / "serve", books.clock)
    await ledger.start()
    call = new_call()
    (await ledger.hold(Payer(ANN), nano(1_000), call)).settle(bill(call, 10))
    database.away = True
    for _ in range(5):
        call = new_call()
        hold = ledger.try_hold(Payer(ANN), nano(100), call)
        assert hold is not None
        hold.settle(bill(call, 100))
    with pytest.raises(Unavailable):
        await ledger.hold(Payer(ANN), nano(90_000), new_call())
    asked = database.asked
    while database.asked < asked + 3:
        await asyncio.sleep(0.01)
    assert len(await books.receipts()) == 0
    database.away = False
    await ledger.flush()
    assert (await ledger.balance(ANN)).left == 100_000 - 510
    await ledger.close()
    assert await books.differences() == []


async def test_a_batch_whose_confirmation_was_lost_is_not_booked_twice(books: Books) -> None:
    await books.give(1_000)
    database = Flaky(books)
    ledger = Ledger(database, books.folder / "serve", books.clock)
    await ledger.start()
    call = new_call()
    hold = await ledger.hold(Payer(ANN), nano(300), call)
    database.forgets_to_answer = True
    hold.settle(bill(call, 200))
    await ledger.flush()
    assert (await ledger.balance(ANN)).left == 800
    await ledger.close()
    assert await books.differences() == []


async def test_no_call_begins_when_the_books_are_too_far_behind(books: Books) -> None:
    await books.give(10**9)
    database = Flaky(books)
    ledger = Ledger(database, books.folder / "serve", books.clock)
    await ledger.start()
    call = new_call()
    (await ledger.hold(Payer(ANN), nano(10**8), call)).settle(bill(call, 0))
    database.away = True
    taken = 0
    while (hold := ledger.try_hold(Payer(ANN), nano(100), call := new_call())) is not None:
        hold.settle(bill(call, 1))
        taken += 1
    assert taken >= 19_000
    waiting = asyncio.create_task(ledger.hold(Payer(ANN), nano(100), call))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    database.away = False
    (await waiting).settle(bill(call, 1))
    await ledger.close()
    assert len(await books.receipts()) == taken + 2
    assert await books.differences() == []


def test_a_hold_without_an_end_in_the_journal_is_an_expired_call() -> None:
    call = new_call()
    held = Held(call, ANN, nano(9), 1.0)
    first = ended(((ANN, LeaseId("lse"), 1),), bill(call, 5))
    assert terminals([held, first]) == [first]
    (expired,) = terminals([held])
    assert expired.receipt.reason is Reason.EXPIRED
