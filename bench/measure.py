"""The measurements: each puts one kind of load on one system and keeps the figures that matter of it."""

import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.postgres import Observed
from bench.process import Process
from bench.systems import CLAUDE, OPENAI, ROOT, System, first_key, serve_tollway, tollway_environ

SLACK_S = 180.0
WARM_S = 1.0
"""How long the load runs before it counts."""
FROZEN_S = 1.5
PER_SECOND = 50
"""Chunks per second of a paced stream."""


class Effort(NamedTuple):
    """How long and how often everything is measured."""

    rounds: int
    seconds: float
    """Of each measurement."""
    starts: int
    """How often the time to start is taken."""


FULL, QUICK = Effort(3, 5.0, 3), Effort(1, 2.0, 1)


@dataclass
class Rig:
    """The mock, the two cores, and the figures by system and name; one figure for each round."""

    mock_port: int
    gateway_core: int
    load_core: int
    effort: Effort
    seen: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """What makes the run fail."""
    noted: list[str] = field(default_factory=list)
    """What the peer did not manage."""

    def keep(self, who: str, **figures: float) -> None:
        """Note the figures of one round."""
        for name, figure in figures.items():
            self.seen.setdefault(who, {}).setdefault(name, []).append(figure)

    def medians(self) -> dict[str, dict[str, float]]:
        """Over the rounds."""
        return {
            who: {name: statistics.median(rounds) for name, rounds in figures.items()}
            for who, figures in self.seen.items()
        }

    def pace(self, chunks: int, pause_s: float, awake: bool = False) -> None:
        """How the streams of the mock go from now on, and whether it stays awake between them."""
        pace = f"chunks={chunks}&pause_us={int(pause_s * 1e6)}&awake={awake:d}"
        url = f"http://127.0.0.1:{self.mock_port}/pace?{pace}"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10):
            pass

    def load(self, system: System | None, mode: str, **wish: str | float) -> dict[str, Any]:
        """Put a load on the system (None: the mock itself); what the generator saw. Failures are noted as wrong."""
        url = system.url if system else f"http://127.0.0.1:{self.mock_port}/v1/chat/completions"
        options = {"url": url, **({"key": system.key, "pid": system.process.pid} if system else {}), **wish}
        argv = [sys.executable, "-m", "bench.load", mode]
        for name, value in options.items():
            argv += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        process = Process(argv, self.load_core, {"PYTHONPATH": str(ROOT)})
        try:
            figures: dict[str, Any] = json.loads(process.rest(SLACK_S))
        except (subprocess.TimeoutExpired, ValueError):
            self.wrong.append(f"{name_of(system)}: the load did not end ({mode} {wish})")
            raise
        finally:
            process.stop()
        if figures["failures"] or figures["lost"]:
            what = f"{figures['failures'] or ''} {figures['lost']} chunks lost".strip()
            troubles = self.noted if system and system.name == "LiteLLM" else self.wrong
            troubles.append(f"{name_of(system)}: {mode} {wish}: {what}")
        return figures


Measure = Callable[[Rig, System], None]


def name_of(system: System | None) -> str:
    """As it stands in the table."""
    return system.name if system else "direct"


def memory_of_streams(rig: Rig, system: System) -> None:
    """Resident memory that each of 1,000 open streams adds; at one chunk a second, so that it is memory that counts."""
    rig.load(system, "whole", seconds=0.5, warm_s=0.5)
    rig.pace(6, 1.0)
    wish = {"connections": 1000, "spread_s": 2, "warm_s": 1, "seconds": 1, "chunks": 6, "pause_s": 1}
    rig.keep(system.name, stream_kb=rig.load(system, "streams", **wish)["per_connection_kb"])


def memory_of_few_streams(rig: Rig, system: System) -> None:
    """The same with 200 streams, for a system that drops more."""
    rig.pace(15, 1.0)
    wish = {"connections": 200, "spread_s": 6, "warm_s": 2, "seconds": 1, "chunks": 15, "pause_s": 1}
    rig.keep(system.name, stream_kb=rig.load(system, "streams", **wish)["per_connection_kb"])


def whole_answers(size: int, name: str) -> Measure:
    """CPU per request and requests per second, 32 at a time, with a body of `size` bytes.

    Mock and load stay awake. Before a fast system they would anyway; a slower one would have to wake them with each of
    its writes, and pay for that.
    """

    def measure(rig: Rig, system: System) -> None:
        rig.pace(1, 0, awake=True)
        seen = rig.load(system, "whole", size=size, connections=32, seconds=rig.effort.seconds, awake=True)
        rig.pace(1, 0)
        figures = {"cpu": "cpu_us", "user": "user_us", "rate": "per_second", "busy": "busy"}
        rig.keep(system.name, **{f"{kept}_{name}": seen[figure] for kept, figure in figures.items()})

    return measure


def on_postgres(rig: Rig, system: System, server: Observed) -> None:
    """CPU per request of a gateway that keeps its books in PostgreSQL, and how often it spoke to the database for it.

    Kept among the figures of Tollway, to be compared with those on SQLite.
    """
    rig.pace(1, 0, awake=True)
    before = server.transactions()
    seen = rig.load(system, "whole", connections=32, seconds=rig.effort.seconds, awake=True)
    rig.pace(1, 0)
    asked = seen["answers"] * (rig.effort.seconds + WARM_S) / rig.effort.seconds
    talk = (server.transactions() - before) * 1000 / max(1, asked)
    rig.keep("Tollway", pg_cpu_1k=seen["cpu_us"], pg_user_1k=seen["user_us"], pg_transactions=talk)


def on_frozen_postgres(rig: Rig, system: System, server: Observed) -> None:
    """Calls of an account with credit while the whole database stands still: they wait for no word of it."""
    with server.frozen():
        seen = rig.load(system, "whole", connections=1, warm_s=0.2, seconds=FROZEN_S)
    rig.keep("Tollway", pg_frozen=seen["answers"], pg_frozen_p99_us=seen["p99_us"])


def latency(rig: Rig, system: System | None) -> None:
    """Time of an answer when there is one call at a time."""
    seen = rig.load(system, "whole", connections=1, seconds=rig.effort.seconds / 2)
    rig.keep(name_of(system), p50_us=seen["p50_us"], p99_us=seen["p99_us"])


def first_chunk(rig: Rig, system: System | None) -> None:
    """Time from the request to the first chunk, 20 short streams at a time."""
    rig.pace(5, 1 / PER_SECOND)
    seen = rig.load(system, "first", connections=20, chunks=5, seconds=rig.effort.seconds / 2)
    rig.keep(name_of(system), first_p50_us=seen["first_p50_us"], first_p99_us=seen["first_p99_us"])


def paced_chunks(model: str, name: str, streams: int = 300) -> Measure:
    """CPU per relayed chunk: so many streams of 50 chunks a second each."""

    def measure(rig: Rig, system: System) -> None:
        seconds = rig.effort.seconds
        chunks = int(PER_SECOND * (seconds + 2.5))
        rig.pace(chunks, 1 / PER_SECOND)
        seen = rig.load(
            system, "streams", model=model, connections=streams, chunks=chunks, seconds=seconds, spread_s=1, warm_s=0.5
        )
        figures = {"cpu": "cpu_us", "user": "user_us", "busy": "busy"}
        rig.keep(system.name, **{f"{kept}_{name}": seen[figure] for kept, figure in figures.items()})

    return measure


def held_streams(rig: Rig, system: System) -> None:
    """1,000 streams of 50 chunks a second each through one process: is every chunk there, and at what rate."""
    seconds = rig.effort.seconds
    chunks = int(PER_SECOND * (seconds + 3.5))
    rig.pace(chunks, 1 / PER_SECOND)
    seen = rig.load(system, "streams", connections=1000, chunks=chunks, seconds=seconds, spread_s=2, warm_s=0.5)
    rig.keep(
        system.name, held_lost=seen["lost"], held_ended=seen["ended"], held_rate=seen["chunks_per_second"],
        held_p99_ms=seen["travel_p99_us"] / 1000, held_busy=seen["busy"],
    )  # fmt: skip


def start_up(rig: Rig, folder: Path) -> None:
    """Time from the start of Tollway's process to its first answer, on an empty data folder and on one in use."""
    for turn in range(rig.effort.starts):
        own = folder / f"start-{turn}"
        own.mkdir()
        environ = tollway_environ(own, rig.mock_port)
        for figure in ("start_empty_s", "start_s"):
            system = serve_tollway(own, environ, rig.gateway_core, lambda own=own: first_key(own))  # type: ignore[misc]
            system.process.stop()
            rig.keep("Tollway", **{figure: system.ready_s})


INTERLEAVED: tuple[Measure, ...] = (
    whole_answers(1024, "1k"),
    whole_answers(100_000, "100k"),
    latency,
    first_chunk,
    paced_chunks(OPENAI, "chunk"),
)
"""What is measured in turns, so that a drift of the machine falls on all alike."""
translated_chunks = paced_chunks(CLAUDE, "translated")
OF_THE_PEER: tuple[Measure, ...] = (
    *INTERLEAVED[:-1],
    paced_chunks(OPENAI, "chunk", 20),
    paced_chunks(CLAUDE, "translated", 20),
    memory_of_few_streams,
)
"""As many streams as LiteLLM can keep up with: 300 would measure how it drops them."""
