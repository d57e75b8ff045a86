"""One run from beginning to end: set up, torment, let settle, and hand everything over for judgement."""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.books import stage
from bench.books.caller import Seen
from bench.books.drive import Driver
from bench.books.fleet import Gateway, Life, command
from bench.books.storage import Postgresql, Sqlite, Storage, open_leases
from bench.books.story import Story, story
from bench.books.torment import Dose, Tormentor, schedule
from bench.books.watch import Watch

LEASE_S, SWEEP_S = 3.0, 1.0
SETTLE_S = 12.0
"""How long after the last call the leases of the dead may take to end."""


class Plan(NamedTuple):
    """What to run."""

    database: str
    calls: int
    seed: int
    processes: int
    dose: Dose
    at_once: int
    durability: str = "batch"


class Outcome(NamedTuple):
    """All that is known when it is over."""

    plan: Plan
    story: Story
    payers: list[stage.Payer]
    seen: list[Seen]
    attempts: list[dict[str, Any]]
    """The provider's account."""
    lives: list[Life]
    pauses: list[tuple[int, int, float, float]]
    """(hub, life, from, to)."""
    outages: list[tuple[float, float]]
    done: dict[str, int]
    leases: int
    """Still open when everything had stopped."""
    orphans: int
    """Leases of dead processes still open after all the time they were given."""
    audit: str
    took_s: float
    exits: list[int]
    glimpsed: list[str]
    """What was wrong at some moment while it ran."""
    looks: int


async def perform(plan: Plan, folder: Path, judge: Any) -> Any:
    """Run it; what `judge(outcome, reader)` makes of it."""
    storage: Storage = Postgresql() if plan.database == "postgresql" else Sqlite(folder)
    told = story(plan.seed, plan.calls)
    provider, port = stage.provider(folder, plan.seed, plan.calls)
    hubs: list[Gateway] = []
    try:
        (folder / "tollway.toml").write_text(stage.configuration(told, port), encoding="utf-8")
        more = {
            "TOLLWAY_LEDGER_LEASE_S": str(LEASE_S),
            "TOLLWAY_LEDGER_SWEEP_S": str(SWEEP_S),
            "TOLLWAY_LEDGER_DURABILITY": plan.durability,
        }
        environ = stage.surroundings(folder, storage.url, more)
        hubs += [Gateway(number, folder / f"hub{number}", environ, number % 2) for number in range(plan.processes)]
        await hubs[0].start()
        await asyncio.gather(*(hub.start() for hub in hubs[1:]))
        outcome = await _play(plan, told, hubs, storage)
        provider.stop()
        code, said = await command(environ, hubs[0].folder, "ledger", "audit")
        lines = (folder / "provider.jsonl").read_text(encoding="utf-8").splitlines()
        outcome = outcome._replace(
            audit="" if code == 0 else said, attempts=[json.loads(line) for line in lines],
            lives=[life for hub in hubs for life in hub.past],
            pauses=[(hub.number, *pause) for hub in hubs for pause in hub.pauses],
        )  # fmt: skip
        with storage.reader() as reader:
            return judge(outcome, reader)
    finally:
        for hub in hubs:
            hub.away()
        provider.stop()
        storage.close()


async def _play(plan: Plan, told: Story, hubs: list[Gateway], storage: Storage) -> Outcome:
    payers = await stage.payers(told, hubs)
    blows = schedule(plan.seed, plan.calls, plan.dose, plan.processes, LEASE_S)
    tormentor = Tormentor(blows, hubs, storage)
    driver = Driver(told, payers, hubs, tormentor)
    began_s = time.monotonic()
    watch = Watch(storage)
    watching = asyncio.create_task(watch.run())
    await driver.run(plan.at_once)
    await tormentor.over()
    took_s = time.monotonic() - began_s
    orphans = await _settle(hubs, storage)
    watching.cancel()
    await asyncio.wait([watching])
    if not watching.cancelled():
        watching.result()
    exits = list(await asyncio.gather(*(hub.end() for hub in hubs)))
    with storage.reader() as reader:
        leases = len(open_leases(reader))
    return Outcome(
        plan, told, payers, driver.seen, [], [], [], tormentor.outages, dict(tormentor.done), leases, orphans, "",
        took_s, exits, watch.found, watch.looks,
    )  # fmt: skip


async def _settle(hubs: list[Gateway], storage: Storage) -> int:
    """Wait until the leases of the dead are gone; how many are not."""
    alive = {hub.name for hub in hubs}
    deadline = time.monotonic() + SETTLE_S
    while True:
        with storage.reader() as reader:
            dead = [process for process in open_leases(reader) if process not in alive]
        if not dead or time.monotonic() > deadline:
            return len(dead)
        await asyncio.sleep(0.2)


def run(plan: Plan, judge: Any) -> Any:
    """In a folder of its own, which goes when all is well."""
    with tempfile.TemporaryDirectory(prefix="tollway-books-") as name:
        return asyncio.run(perform(plan, Path(name), judge))
