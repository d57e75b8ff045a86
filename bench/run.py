"""`make bench`: measures nginx, Tollway and LiteLLM in one run on this machine and prints what each costs.

The gateway has one core, the mock provider and the load generator have another. Tollway runs with everything on:
keys, limits, a plan with fallbacks, hold, settle, receipt, durable journal, SQLite; and once more with a private
PostgreSQL in its place. nginx and Tollway are measured in turns and the medians compared; LiteLLM, far from both, once.
Ends every process it started, also on Ctrl-C.
"""

import argparse
import contextlib
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import measure, report
from bench.measure import FULL, QUICK, Rig
from bench.postgres import Observed
from bench.process import Process, resident_kb, tree
from bench.systems import BUILD, ROOT, Missing, System, start_litellm, start_nginx, start_tollway

CALM_S = 1.5
"""After a start, before idle memory is read."""


def say(text: str) -> None:
    """What is going on, on the error output."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def started(
    rig: Rig, stack: contextlib.ExitStack, start: Callable[[Path, int, int], System], folder: Path
) -> System | None:
    """The system, running until the stack is left; None when it cannot be had, which is noted as wrong."""
    try:
        system = start(folder, rig.mock_port, rig.gateway_core)
    except Missing as missing:
        rig.wrong.append(str(missing))
        say(str(missing))
        return None
    stack.callback(system.process.stop)
    time.sleep(CALM_S)
    rig.keep(system.name, idle_mb=resident_kb(tree(system.process.pid)) / 1024)
    say(f"{system.name} {system.version} answers after {system.ready_s:.2f} s")
    return system


def with_postgres(rig: Rig, stack: contextlib.ExitStack, folder: Path) -> tuple[System, Observed] | None:
    """Tollway with its books in a private PostgreSQL on the core of the load; both end with the stack."""
    try:
        server = Observed()
        stack.callback(server.close)
        system = start_tollway(folder, rig.mock_port, rig.gateway_core, server.url)
    except (AssertionError, Missing) as missing:
        rig.wrong.append(f"PostgreSQL: {missing}")
        say(f"PostgreSQL: {missing}")
        return None
    stack.callback(system.process.stop)
    say(f"Tollway on PostgreSQL answers after {system.ready_s:.2f} s")
    return system, server


def compare(rig: Rig, folder: Path, versions: dict[str, str]) -> None:
    """nginx and Tollway, in turns; Tollway on PostgreSQL in the same turns."""
    with contextlib.ExitStack() as stack:
        systems = [one for one in (started(rig, stack, start, folder) for start in (start_nginx, start_tollway)) if one]
        versions.update({one.name: one.version for one in systems})
        on_postgres = with_postgres(rig, stack, folder)
        for system in systems:
            measure.memory_of_streams(rig, system)
        for turn in range(rig.effort.rounds):
            say(f"round {turn + 1} of {rig.effort.rounds}")
            measure.latency(rig, None)
            measure.first_chunk(rig, None)
            for each in measure.INTERLEAVED:
                for system in systems:
                    each(rig, system)
            for system in systems:
                if system.name == "Tollway":
                    measure.translated_chunks(rig, system)
            if on_postgres is not None:
                measure.on_postgres(rig, *on_postgres)
        if on_postgres is not None:
            measure.on_frozen_postgres(rig, *on_postgres)
        say("1,000 streams")
        for system in systems:
            measure.held_streams(rig, system)


def peer(rig: Rig, folder: Path, versions: dict[str, str]) -> None:
    """LiteLLM by itself, one round."""
    with contextlib.ExitStack() as stack:
        system = started(rig, stack, start_litellm, folder)
        if system is None:
            return
        versions[system.name] = system.version
        rig.keep(system.name, start_s=system.ready_s)
        for each in measure.OF_THE_PEER:
            each(rig, system)


def everything(asked: argparse.Namespace, folder: Path) -> int:
    """Measure, print, write; 0 when all systems were measured and nothing went wrong on the way."""
    cores = sorted(os.sched_getaffinity(0))
    gateway_core, load_core = cores[0], cores[-1]
    if len(cores) < 2:
        say("there is one core only: the load disturbs what is measured")
    os.sched_setaffinity(0, {load_core})
    versions = {"Python": platform.python_version()}
    about = report.surroundings(versions)
    mock = Process([sys.executable, "-m", "bench.mock"], load_core, {"PYTHONPATH": str(ROOT)})
    try:
        port = int(mock.line().rpartition(":")[2])
        rig = Rig(port, gateway_core, load_core, QUICK if asked.quick else FULL)
        say("starts of Tollway")
        measure.start_up(rig, folder)
        compare(rig, folder, versions)
        if asked.peer == "litellm":
            peer(rig, folder, versions)
    finally:
        mock.stop()
    figures = report.with_added(rig.medians())
    about |= {"versions": ", ".join(f"{name} {version}" for name, version in versions.items())}
    print("\n".join(f"{name}: {fact}" for name, fact in about.items()), end="\n\n")
    print(report.plain(report.table(figures)))
    troubles = [*(f"wrong: {one}" for one in rig.wrong), *(f"noted: {one}" for one in rig.noted)]
    print("\n".join(troubles))
    if not asked.quick or asked.write:
        say(f"written: {report.write(about, figures, rig.seen, troubles).relative_to(ROOT)}.md and .json")
    return 1 if rig.wrong else 0


def main() -> int:
    """Read the arguments and run; 130 when told to stop."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--peer", choices=["none", "litellm"], default="litellm")
    options.add_argument("--quick", action="store_true", help="one short round; writes no results")
    options.add_argument("--write", action="store_true", help="write results although it is quick")
    asked = options.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, ignore_cleanup_errors=True) as folder:
        try:
            return everything(asked, Path(folder))
        except KeyboardInterrupt:
            say("stopped")
            return 130


if __name__ == "__main__":
    sys.exit(main())
