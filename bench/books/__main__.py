"""`python -m bench.books`: torment the gateway, then compare the books with the provider's account, call by call."""

import argparse
import os
import random
import subprocess
import sys

from bench.books.broken import CHANGES, broken_build, path_with
from bench.books.judge import judge
from bench.books.report import report
from bench.books.run import Plan, run
from bench.books.torment import Dose

FULL, SHORT = 20_000, 420
FULL_DOSE = Dose(kill=32, stop=11, lose=4, end=3, database=6)
SHORT_DOSE = Dose(kill=4, stop=2, lose=1, end=1, database=1)


def dose_of(calls: int, stated: str) -> Dose:
    """As stated (`kill=2,stop=6`: nothing else), or in proportion to the calls and at least one of everything."""
    if stated:
        counts = dict.fromkeys(Dose._fields, 0)
        for name, _, count in (part.partition("=") for part in stated.split(",")):
            counts[name] = int(count)
        return Dose(**counts)
    full = (round(count * calls / FULL) for count in FULL_DOSE)
    return Dose(*(max(least, most) for least, most in zip(SHORT_DOSE, full, strict=True)))


def arguments() -> argparse.Namespace:
    """What was asked."""
    options = argparse.ArgumentParser(prog="bench.books")
    options.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    options.add_argument("--calls", type=int, default=0, help=f"default {FULL}, with --short {SHORT}")
    options.add_argument("--seed", type=int, default=0, help="the same seed tells the same story; default: a new one")
    options.add_argument("--processes", type=int, default=0, help="default: 1 on SQLite, 3 on PostgreSQL")
    options.add_argument("--at-once", type=int, default=0, help="calls in flight; default: 16 for each process")
    options.add_argument("--durability", choices=["batch", "sync"], default="batch")
    options.add_argument("--break", dest="broken", choices=sorted(CHANGES), help="run it on a build broken on purpose")
    options.add_argument("--dose", default="", help=f"e.g. kill=2,stop=6; of {', '.join(Dose._fields)}")
    options.add_argument("--short", action="store_true")
    return options.parse_args()


def main() -> int:
    """0 when nothing is unexplained."""
    asked = arguments()
    if asked.broken:
        return on_broken_build(asked.broken)
    seed = asked.seed or random.SystemRandom().randrange(1, 1_000_000)
    calls = asked.calls or (SHORT if asked.short else FULL)
    databases = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    differences = 0
    for database in databases:
        processes = asked.processes or (3 if database == "postgresql" else 1)
        plan = Plan(
            database,
            calls,
            seed,
            processes,
            dose_of(calls, asked.dose),
            asked.at_once or 16 * processes,
            asked.durability,
        )
        verdict = run(plan, judge)
        print(report(verdict), flush=True)
        differences += len(verdict.differences)
    print(f"{differences} differences (seed {seed})" if differences else f"the books are exact (seed {seed})")
    return 1 if differences else 0


def on_broken_build(name: str) -> int:
    """The same bench in a process that imports the broken build."""
    words = [word for word in sys.argv[1:] if word not in ("--break", name, f"--break={name}")]
    with broken_build(name) as source:
        print(f"broken on purpose: {CHANGES[name].meaning}", flush=True)
        environ = {**os.environ, "PYTHONPATH": path_with(source)}
        return subprocess.run([sys.executable, "-m", "bench.books", *words], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
