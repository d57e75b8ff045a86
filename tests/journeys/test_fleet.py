"""Several gateways, each with a data folder of its own, on one PostgreSQL: as on several hosts."""

import asyncio
import random
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys.callers import OPENAI, Heard, newcomer
from tests.journeys.crowd import Books, ask, left, until
from tests.journeys.hub import Hub, Providers, providers
from tests.postgres import Postgres

LIMIT = 64
NANO = 1_000_000
TEXT = "tell me something"
CALM_S = 20.0
Fleet = Callable[[Postgres], list[Hub]]


@pytest.fixture(scope="module")
def vendors() -> Iterator[Providers]:
    with providers() as running:
        yield running


@pytest.fixture
def fleet(tmp_path: Path, vendors: Providers) -> Iterator[Fleet]:
    """Starts three gateways on one new database; all are stopped at the end."""
    made: list[Hub] = []

    def start(server: Postgres) -> list[Hub]:
        environ = {**vendors.environ, "TOLLWAY_DATABASE_URL": server.fresh()}
        made.extend(Hub(tmp_path / f"host{number}", environ) for number in range(3))
        return [hub.start() for hub in made]

    yield start
    for hub in made:
        if hub.process is not None:
            hub.stop()


async def call(hub: Hub, key: str, text: str = TEXT, stream: bool = False) -> Heard | None:
    return await ask(hub, OPENAI, key, OPENAI.body(text, stream, LIMIT), stream)


def answered(heard: list[Heard | None]) -> list[Heard]:
    return [one for one in heard if one is not None and one.status == 200 and not one.is_cut]


def price_of(hub: Hub) -> int:
    """What one such call sets aside."""
    _, key = newcomer(hub, 1000)
    return int(hub.receipt(OPENAI.ask(hub, key, TEXT, limit=LIMIT).id, key)["hold"]["nano_usd"])


def settled(hub: Hub, key: str, user: str, credit: int) -> Books:
    """What the books say when all gateways have written and returned what they leased."""
    books = Books(hub, user)
    assert hub.audit() == []
    assert left(hub, key) == credit - books.charged >= 0
    return books


async def test_500_callers_on_credit_for_100_never_overdraw_on_three_gateways(
    fleet: Fleet, postgres: Postgres, vendors: Providers
) -> None:
    """The answers come only when everybody else has been refused."""
    hubs = fleet(postgres)
    credit = 100 * price_of(hubs[0])
    user, key = newcomer(hubs[0], credit / NANO)
    before, refused = len(vendors.openai.requests), Counter[int]()

    async def one(number: int) -> Heard | None:
        heard = await call(hubs[number % 3], key)
        if heard is None or heard.status != 200:
            refused[heard.status if heard is not None else 0] += 1
        return heard

    vendors.openai.hold()
    try:
        calls = asyncio.gather(*(one(number) for number in range(500)))
        await until(lambda: refused.total() + len(vendors.openai.requests) - before == 500, 60)
        assert set(refused) == {429}
    finally:
        vendors.openai.release()
    good = answered(await calls)
    assert 60 <= len(good) <= 100
    for hub in hubs[1:]:
        assert hub.stop() == 0
    books = settled(hubs[0], key, user, credit)
    assert {one.id for one in good} == {call for call, reason in books.reasons.items() if reason == "completed"}
    assert all(books.charges[one.id] > 0 for one in good)


async def test_one_of_three_is_killed_and_the_others_go_on(fleet: Fleet, postgres: Postgres) -> None:
    hubs = fleet(postgres)
    chance = random.Random(7)
    credit = 10_000 * NANO
    user, key = newcomer(hubs[0], credit / NANO)
    heard: list[list[Heard | None]] = [[], [], []]
    killed = asyncio.Event()

    async def keep_asking(number: int) -> None:
        for _ in range(12):
            text = f"[[slow:{chance.randrange(1, 30)}]] one two three"
            heard[number].append(await call(hubs[number], key, text, chance.random() < 0.5))
            if number == 2 and len(answered(heard[2])) >= 10:
                killed.set()

    asking = asyncio.gather(*(keep_asking(number) for number in (0, 1, 2) for _ in range(6)))
    await asyncio.wait_for(killed.wait(), 30)
    assert hubs[2].process is not None
    hubs[2].process.kill()
    await asking
    hubs[2].stop(signal.SIGKILL)
    for number in (0, 1):
        assert len(answered(heard[number])) == 6 * 12
    hubs[2].start()
    for hub in hubs[1:]:
        assert hub.stop() == 0
    books = settled(hubs[0], key, user, credit)
    for one in (one for each in heard for one in answered(each)):
        assert books.reasons[one.id] == "completed"
        assert books.charges[one.id] > 0


async def test_a_database_restarted_under_load_loses_nothing(fleet: Fleet, own_postgres: Postgres) -> None:
    hubs = fleet(own_postgres)
    credit = 10_000 * NANO
    user, key = newcomer(hubs[0], credit / NANO)
    heard: list[Heard | None] = []
    over = asyncio.Event()

    async def keep_asking(hub: Hub) -> None:
        while not over.is_set():
            heard.append(await call(hub, key))

    asking = asyncio.gather(*(keep_asking(hub) for hub in hubs for _ in range(4)))
    for how in (own_postgres.kill, own_postgres.stop):
        await asyncio.sleep(1)
        how()
        await asyncio.sleep(0.7)
        own_postgres.start()
    await asyncio.sleep(1)
    over.set()
    await asyncio.wait_for(asking, 60)
    assert None not in heard, "somebody was left without an answer"
    assert {one.status for one in heard if one is not None} <= {200, 503}
    deadline = time.monotonic() + CALM_S
    while OPENAI.ask(hubs[0], key, TEXT, limit=LIMIT).status != 200:
        assert time.monotonic() < deadline, "it never recovered"
        time.sleep(0.1)
    for hub in hubs[1:]:
        assert hub.stop() == 0
    deadline = time.monotonic() + CALM_S
    while (balance := hubs[0].ask("/me", key=key)[2]["balance"])["held"]:
        assert time.monotonic() < deadline, balance
        time.sleep(0.1)
    books = settled(hubs[0], key, user, credit)
    good = {one.id for one in answered(heard)}
    assert len(good) > 50
    assert good <= {call for call, reason in books.reasons.items() if reason == "completed"}


def test_a_key_revoked_at_one_is_refused_by_the_others_at_once(fleet: Fleet, postgres: Postgres) -> None:
    hubs = fleet(postgres)
    _, key = newcomer(hubs[0], 100)
    made = hubs[0].ask("/api-keys", {"name": "laptop"}, key)[2]
    for hub in hubs:
        assert OPENAI.ask(hub, made["api_key"], TEXT, limit=LIMIT).status == 200
    end = urllib.request.Request(
        f"{hubs[1].url}/api-keys/{made['key_id']}", headers={"authorization": f"Bearer {key}"}, method="DELETE"
    )
    with urllib.request.urlopen(end, timeout=10) as answer:
        assert answer.status == 200
    assert [OPENAI.ask(hub, made["api_key"], TEXT, limit=LIMIT).status for hub in (hubs[1], *hubs)] == [401] * 4
    for hub in hubs:
        assert OPENAI.ask(hub, key, TEXT, limit=LIMIT).status == 200
