"""Fills a hub's books with calls of many months, each settled by the ledger itself."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tollway.core.ids import CallId, ChannelId, KeyId, LeaseId, UserId
from tollway.core.model import Model
from tollway.core.money import NanoUsd
from tollway.core.receipt import Attempt, Reason, Receipt
from tollway.core.usage import Usage
from tollway.gateway.catalog import Catalog
from tollway.gateway.ledger import store
from tollway.gateway.ledger.journal import Ended
from tollway.gateway.metering.cost import cost
from tollway.ports import Database, Transaction

BATCH = 200
"""Calls that share an entry, as on a busy gateway that writes ten times a second."""
HEAVY = 0.2
"""The part of all calls that one user makes."""
CREDIT = 10**15
MODELS = ("gpt-5-mini", "claude-haiku", "gemini-3-flash", "deepseek-v3.2", "claude-sonnet")
_WRITE = msgspec.json.Encoder().encode


class Client(NamedTuple):
    """Somebody who calls."""

    user: UserId
    key: KeyId
    secret: str


class Filled(NamedTuple):
    """What was made."""

    calls: int
    months: int
    sample: list[tuple[Client, CallId]]
    """Some calls out of every month."""


async def fill(database: Database, clients: list[Client], calls: int, now_s: float, months: int = 24) -> Filled:
    """Settle so many calls, spread evenly over the latest months. The first client makes a fifth of them."""
    rng = random.Random(20_261_121)
    catalog = Catalog.load()
    models = [model for name in MODELS if (model := catalog.find(name)) is not None]
    begins = _months_before(now_s, months)
    draws = await _leases(database, clients, begins, now_s)
    sample: list[tuple[Client, CallId]] = []
    batch: list[Ended] = []
    every = max(1, calls // 500)
    for number, at_s in enumerate(_times(begins, now_s, calls)):
        client = clients[0] if rng.random() < HEAVY else rng.choice(clients)
        call = CallId(f"req_{_id(at_s, rng)}")
        batch.append(_ended(client, draws[client.user], call, at_s, _use(rng, rng.choice(models))))
        if number % every == 0:
            sample.append((client, call))
        if len(batch) == BATCH:
            await _settle(database, batch)
            batch = []
    await _settle(database, batch)
    await _give_back(database, list(draws.values()), now_s)
    return Filled(calls, months, sample)


def _months_before(now_s: float, months: int) -> float:
    now = datetime.fromtimestamp(now_s, UTC)
    year, month = divmod(now.year * 12 + now.month - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC).timestamp()


def _times(begins: float, ends: float, calls: int) -> Iterator[float]:
    for number in range(calls):
        yield begins + (ends - begins) * number / calls


def _id(at_s: float, rng: random.Random) -> str:
    ms, noise = int(at_s * 1000), rng.getrandbits(74)
    tail = noise & 0x3FFF_FFFF_FFFF_FFFF
    head = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{noise >> 62:03x}"
    return f"{head}-{0x8000 | tail >> 48:04x}-{tail & 0xFFFF_FFFF_FFFF:012x}"


def _use(rng: random.Random, model: Model) -> tuple[Model, Usage]:
    asked = rng.randrange(20, 4000)
    cached = rng.randrange(asked) if rng.random() < 0.3 else 0
    return model, Usage(input_total=asked, cache_read=cached, output_total=rng.randrange(1, 900))


def _ended(client: Client, draw: store.Draw, call: CallId, at_s: float, use: tuple[Model, Usage]) -> Ended:
    model, usage = use
    bill = cost(usage, model.price)
    provider, upstream = next(iter(model.served_by.items()))
    receipt = Receipt(
        id=call,
        user=client.user,
        key=client.key,
        reason=Reason.COMPLETED,
        surface="openai_chat",
        model=model.id,
        asked=model.id,
        stream=True,
        started_at_s=at_s,
        duration_ms=1200,
        first_byte_ms=300,
        attempts=(Attempt(ChannelId(provider), provider, upstream, 200, "", 1, 299),),
        usage=usage,
        lines=bill.lines,
        price_version=model.price.version,
        hold_nano_usd=NanoUsd(bill.charge_nano_usd * 2),
        provider_cost_nano_usd=bill.provider_nano_usd,
        charge_nano_usd=bill.charge_nano_usd,
    )
    return Ended((draw,), receipt, _WRITE(receipt))


async def _leases(database: Database, clients: list[Client], at: float, now_s: float) -> dict[UserId, store.Draw]:
    """Credit for everybody, and a lease on it to settle from."""
    draws: dict[UserId, store.Draw] = {}

    def work(tx: Transaction, client: Client) -> store.Draw:
        note = ("bench", "history", f"history:{client.user}")
        store.grant(tx, store.Grant(client.user, CREDIT, "topup", *note, at))
        lease = LeaseId(f"lse_{client.user}")
        taken = store.take(tx, store.Wish(lease, client.user, "history", 0, CREDIT, 0, CREDIT, now_s, now_s + 86_400))
        return client.user, lease, taken.fence

    for client in clients:
        draws[client.user] = await database.write(lambda tx, client=client: work(tx, client))
    return draws


async def _settle(database: Database, batch: list[Ended]) -> None:
    if batch:
        await database.write(lambda tx: store.settle(tx, batch))


async def _give_back(database: Database, draws: list[store.Draw], now_s: float) -> None:
    def work(tx: Transaction) -> None:
        for _, lease, fence in draws:
            store.give_back(tx, lease, fence, None, now_s)

    await database.write(work)
