"""What hedging does for the first word when one provider of three is slow now and then, over real HTTP.

    python -m bench.hedging [--calls 4000] [--a-second 60]

The same streams are asked twice, without and with hedging. The figures go to bench/results/.
"""

import argparse
import asyncio
import datetime
import json
import statistics
import sys
from pathlib import Path

import msgspec

from bench.outage import RESULTS
from bench.weather.moods import Mood, Note
from bench.weather.scene import Told, scene

NAMES = ("slow", "one", "two")
MOODS = {"slow": Mood(slow_s=1.5, slow_share=0.08), "one": Mood(), "two": Mood()}
WARM = 400
"""Calls before the measured ones, from which it is learnt what is usual."""
HEDGED = "[health]\nhedge = true\n"


class Run(msgspec.Struct):
    """One run."""

    calls: int
    whole: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    extra_share: float
    """Requests to providers beyond one for each call."""
    both_said: int
    """Calls of which two providers sent words: only one of them may be heard."""


def measured(told: list[Told], notes: list[Note]) -> Run:
    """The figures of the calls after the warm ones."""
    late = told[WARM:]
    names = {one.call for one in late}
    asked = [note for note in notes if note.call in names]
    firsts = [one.first_s * 1000 for one in late if one.whole]
    cuts = statistics.quantiles(firsts, n=100)
    said = [note.call for note in asked if note.said]
    return Run(
        len(late), sum(one.whole for one in late), round(cuts[49], 1), round(cuts[94], 1), round(cuts[98], 1),
        len(asked) / len(late) - 1, len(said) - len(set(said)),
    )  # fmt: skip


def run(calls: int, a_second: float, more: str) -> Run:
    """One gateway, all calls streamed."""

    async def play() -> Run:
        await stage.moods(MOODS)
        told = await stage.crowd(0, calls + WARM, a_second, streams=1)
        notes = await stage.notes()
        await stage.client.close()
        return measured(told, notes)

    with scene(NAMES, more) as stage:
        return asyncio.run(play())


def faults(without: Run, hedged: Run) -> list[str]:
    """What is not as it should be."""
    held = {
        "every stream comes to its end": without.whole == without.calls and hedged.whole == hedged.calls,
        "p99 to the first word falls by at least 40 %": hedged.p99_ms <= 0.6 * without.p99_ms,
        "at most 5 % extra calls": hedged.extra_share <= 0.05,
    }
    return [what for what, is_so in held.items() if not is_so]


def write(without: Run, hedged: Run, a_second: float) -> Path:
    """A page under bench/results."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = RESULTS / f"{today}-hedging.md"
    lines = [
        f"# Hedging, {today}",
        "",
        f"{hedged.calls:,} streams at {a_second:g} a second over three equal providers, whose first word takes 14 to "
        f"26 ms; one of them takes 1.5 s in 8 % of its calls. {WARM} calls before, to learn what is usual.",
        "",
        "| What | Without | Hedged | Should be |",
        "| --- | --: | --: | --: |",
        f"| first word, p50 | {without.p50_ms} ms | {hedged.p50_ms} ms | |",
        f"| first word, p95 | {without.p95_ms} ms | {hedged.p95_ms} ms | |",
        f"| first word, p99 | {without.p99_ms} ms | {hedged.p99_ms} ms | -40 % |",
        f"| extra calls | {without.extra_share:.2%} | {hedged.extra_share:.2%} | ≤ 5 % |",
        f"| streams with their proper end | {without.whole:,} | {hedged.whole:,} | {hedged.calls:,} |",
        f"| calls of which two providers sent words | {without.both_said} | {hedged.both_said} | |",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def main() -> int:
    """Run both and judge."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", type=int, default=4000)
    options.add_argument("--a-second", type=float, default=60.0)
    asked = options.parse_args()
    without, hedged = run(asked.calls, asked.a_second, ""), run(asked.calls, asked.a_second, HEDGED)
    print(json.dumps({"without": msgspec.to_builtins(without), "hedged": msgspec.to_builtins(hedged)}, indent=1))
    print(write(without, hedged, asked.a_second).name)
    found = faults(without, hedged)
    for fault in found:
        print(f"MISSED: {fault}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
