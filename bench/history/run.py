"""One run: make the history, start on it, ask, watch what calls read, drop what is old, audit."""

import asyncio
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.history.fill import Client, Filled, fill
from bench.history.reads import growing
from bench.history.stage import Stage, stage
from tollway.backends import sql
from tollway.core.ids import KeyId, UserId

ANSWER_S, START_S = 0.050, 3.0
"""What the issue asks of `/usage/me` and a receipt, and of a start."""
MONTHS_KEPT = 12
STARTS = 3


@dataclass
class Found:
    """The figures of one run, and what is not as it should be."""

    kind: str
    calls: int
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    def say(self, what: str, figure: str) -> None:
        """A line of the report."""
        self.lines.append(f"  {what:<54} {figure}")

    def in_time(self, what: str, took_s: float, most_s: float) -> None:
        """Something that must not take longer."""
        if took_s >= most_s:
            self.slow.append(f"{self.kind}: {what} took {took_s:.3f} s, {most_s:g} s are allowed")

    def hold_to(self, what: str, ok: bool) -> None:
        """Something that must be so."""
        if not ok:
            self.wrong.append(f"{self.kind}: {what}")


def run(kind: str, calls: int, clients: int, folder: Path) -> Found:
    """Everything, on one kind of database."""
    found = Found(kind, calls)
    with stage(kind, folder) as hub:
        hub.start()
        people = [_client(hub, number) for number in range(clients)]
        hub.stop()
        made = asyncio.run(_filled(hub, people, calls, found))
        starts = [*(_started(hub) for _ in range(STARTS - 1)), hub.start()]
        found.say(f"start until ready, of {STARTS}", f"{max(starts):.2f} s at most")
        found.in_time("a start", max(starts), START_S)
        _load(found)
        _figures(hub, people, made, found)
        _load(found)
        _calls(hub, people, found)
        _retention(hub, people, made, found)
    return found


def _load(found: Found) -> None:
    """How busy the machine is with everything: a figure of a machine that others use is worth less."""
    found.say("load of the machine over a minute, of so many cores", f"{os.getloadavg()[0]:.1f} of {os.cpu_count()}")


def _client(hub: Stage, number: int) -> Client:
    status, made, _ = hub.ask("/admin/users", hub.admin_key, {"email": f"h{number}@history.example"})
    if status != 200:
        raise RuntimeError(f"no user could be made: {made}")
    return Client(UserId(made["user"]["id"]), KeyId(made["key_id"]), made["api_key"])


async def _filled(hub: Stage, people: list[Client], calls: int, found: Found) -> Filled:
    began = time.monotonic()
    database = sql.open(hub.database_url, hub.folder)
    made = await fill(database, people, calls, time.time())
    await database.close()
    took = time.monotonic() - began
    found.say(f"{calls:,} calls settled over {made.months} months", f"{took:.0f} s, {calls / took:,.0f} a second")
    return made


def _started(hub: Stage) -> float:
    took = hub.start()
    hub.stop()
    return took


def _figures(hub: Stage, people: list[Client], made: Filled, found: Found) -> None:
    """What people ask about their history; each user for the first time, so that nothing is remembered."""
    asked = people[:200]
    loaded = _times(hub, [("/me", asked[0].secret)])
    found.say("the first request of all, which loads the control plane", f"{loaded[0]:.2f} s")
    first = _times(hub, (("/usage/me", one.secret) for one in asked))
    _say(found, "/usage/me, nothing remembered", first, ANSWER_S)
    _say(found, "/usage/me, remembered", _times(hub, (("/usage/me", one.secret) for one in asked)), ANSWER_S)
    receipts = _times(hub, ((f"/v1/receipts/{call}", client.secret) for client, call in made.sample))
    _say(found, "a receipt of any month", receipts, ANSWER_S)
    _say(found, "the latest 100 receipts", _times(hub, (("/v1/receipts", one.secret) for one in asked[:50])), None)
    heavy = people[0].secret
    _say(
        found, "statement of the user with a fifth of all calls", _times(hub, [("/billing/statement", heavy)] * 3), None
    )
    _say(found, "POST /billing/refresh of the same", _times(hub, [("/billing/refresh", heavy)] * 3, body={}), None)
    _say(found, "/usage/admin", _times(hub, [("/usage/admin?days=366", hub.admin_key)]), None)


def _times(hub: Stage, asked: Iterable[tuple[str, str]], body: Any = None) -> list[float]:
    took = []
    for path, key in asked:
        status, told, seconds = hub.ask(path, key, body)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {told}")
        took.append(seconds)
    return took


def _say(found: Found, what: str, took: list[float], most: float | None) -> None:
    middle, worst = statistics.median(took) * 1000, max(took) * 1000
    found.say(what, f"{middle:.1f} ms median, {worst:.1f} ms at most of {len(took)}")
    if most is not None:
        found.in_time(what, worst / 1000, most)


def _calls(hub: Stage, people: list[Client], found: Found) -> None:
    """Calls of users whose credit this process has yet to lease, then of one whose it has."""
    body = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}

    def call(client: Client) -> float:
        status, told, took = hub.ask("/v1/chat/completions", client.secret, body)
        if status != 200:
            raise RuntimeError(f"a call failed: {status} {told}")
        return took

    cold = _watched(hub, found, "first calls of 50 users", lambda: [call(one) for one in people[1:51]])
    warm = _watched(hub, found, "200 calls of one user with credit", lambda: [call(people[1]) for _ in range(200)])
    found.say("a call: first of a user, and later ones", f"{_ms(cold)} and {_ms(warm)} ms median")


def _ms(took: list[float]) -> str:
    return f"{statistics.median(took) * 1000:.1f}"


def _watched(hub: Stage, found: Found, what: str, work: Callable[[], list[float]]) -> list[float]:
    """Do it, with half a second for the books behind it, and look at every statement of the whole process."""
    mark = hub.ear.so_far()
    took = work()
    time.sleep(0.5)
    said = hub.ear.since(mark)
    reads = [one for one in said if one.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "DELETE"))]
    bad = growing(said)
    found.say(f"{what}: statements, reading, of growing tables", f"{len(said)}, {len(reads)}, {len(bad)}")
    found.hold_to(f"{what} read nothing that grows: {bad[:3]}", not bad)
    found.hold_to(f"{what} said something to the database", bool(said))
    return took


def _retention(hub: Stage, people: list[Client], made: Filled, found: Found) -> None:
    """Old months go as whole tables, the books stay exact, and nobody's figures change."""
    before = hub.ask("/usage/me", people[0].secret)[1]
    hub.stop()
    _audit(hub, found, "tollway ledger audit")
    hub.settings = f"[retention]\nreceipts_months = {MONTHS_KEPT}\n"
    hub.start()
    old, young = made.sample[0], made.sample[-1]
    gone_s = _until_gone(hub, *old)
    found.say(f"receipts older than {MONTHS_KEPT} months dropped after", f"{gone_s:.2f} s")
    found.hold_to("old receipts are dropped", gone_s < 30)
    found.hold_to("young receipts stay", hub.ask(f"/v1/receipts/{young[1]}", young[0].secret)[0] == 200)
    after = hub.ask("/usage/me", people[0].secret)[1]
    found.hold_to("figures do not change", before["this_month"] == after["this_month"])
    hub.stop()
    _audit(hub, found, "tollway ledger audit, old months dropped")


def _audit(hub: Stage, found: Found, what: str) -> None:
    """The books are exact, and how long it took to see it."""
    used = _children_cpu_s()
    told, took = hub.tollway("ledger", "audit")
    used = _children_cpu_s() - used
    found.say(what, f"{took:.1f} s ({used:.1f} s of its own CPU), {len(told['differences'])} differences")
    found.hold_to(f"{what} finds the books exact: {told['differences'][:3]}", told["exact"])
    _load(found)


def _children_cpu_s() -> float:
    """CPU time of all commands that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _until_gone(hub: Stage, client: Client, call: str) -> float:
    began = time.monotonic()
    while hub.ask(f"/v1/receipts/{call}", client.secret)[0] == 200 and time.monotonic() < began + 30:
        time.sleep(0.05)
    return time.monotonic() - began
