"""A scripted outage over real HTTP: one provider dead, one slow, one rate-limited, one well; then the first recovers.

    python -m bench.outage [--calls 10000] [--a-second 90]

Every caller names his call, and every provider notes by whom it was asked and whether it had begun to answer: that is
the table of channels tried per call. The figures go to bench/results/.
"""

import argparse
import asyncio
import datetime
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.weather.moods import Mood, Note
from bench.weather.scene import Scene, Told, scene

RESULTS = Path(__file__).resolve().parent / "results"
NAMES = ("dead", "slow", "limited", "well")
MOODS = {
    "dead": Mood(fails=True),
    "slow": Mood(first_s=1.5, cut_share=0.05),
    "limited": Mood(a_second=20.0),
    "well": Mood(first_s=0.03),
}
NOTICED_S = 10.0
"""After this long hardly any call may touch the dead provider."""


class Findings(msgspec.Struct):
    """What was found, and what it should be."""

    calls: int
    answered_share: float
    """With their proper end, or cut by the provider in mid-answer and told so."""
    refused: dict[int, int]
    touched_dead_late_share: float
    """Of the calls that came `late_s` or more after the outage began, those that were sent to the dead provider."""
    dead_asked: int
    late_s: float
    channel_twice: int
    """Calls that some provider saw twice."""
    retried_after_bytes: int
    """Calls that went to another provider after one had begun to answer."""
    streams_cut: int
    cut_told: int
    """Of those, the ones whose caller got an error event and no proper end."""
    probes_until_back: int
    """Requests to the dead provider from its recovery to the first call that it answered, that call not counted."""
    back_share: float
    """Its share of the calls after that, of four equal ones of which two are slow or limited."""
    tried: dict[str, int]
    """How many calls took which way."""

    def faults(self) -> list[str]:
        """What is not as it should be."""
        held = {
            "at least 99.9 % are answered": self.answered_share >= 0.999,
            "fewer than 1 % of the later calls touch the dead provider": self.touched_dead_late_share < 0.01,
            "no call tries a channel twice": not self.channel_twice,
            "no call is retried after bytes": not self.retried_after_bytes,
            "every cut stream is told": self.streams_cut == self.cut_told,
            "one probe finds the recovery": self.probes_until_back <= 1,
            "the recovered provider gets calls again": self.back_share > 0,
        }
        return [what for what, is_so in held.items() if not is_so]


async def play(stage: Scene, calls: int, a_second: float, late_s: float) -> Findings:
    """The outage lasts for the first half of the calls."""
    await stage.moods(MOODS)
    told = await stage.crowd(0, calls // 2, a_second)
    outage = await stage.notes()
    await stage.moods({"dead": Mood()})
    told += await stage.crowd(calls // 2, calls - calls // 2, a_second)
    recovery = await stage.notes()
    await stage.client.close()
    return judge(told, outage, recovery, late_s)


def judge(told: Sequence[Told], outage: Sequence[Note], recovery: Sequence[Note], late_s: float) -> Findings:
    """The callers' words against the providers'."""
    ways: dict[str, list[Note]] = defaultdict(list)
    for note in (*outage, *recovery):
        if note.call != "probe":
            ways[note.call].append(note)
    cut = {note.call for notes in ways.values() for note in notes if note.cut}
    cut_told = {one.call for one in told if one.call in cut and b'"error"' in one.said and not one.whole}
    answered = sum(one.whole or one.call in cut_told for one in told)
    began_s = told[0].at_s
    last_dead_s = max((note.at_s for note in outage), default=began_s)
    late = [one for one in told if began_s + late_s <= one.at_s <= last_dead_s]
    touched = {note.call for note in outage if note.provider == "dead"}
    back = [note for note in recovery if note.provider == "dead"]
    first = next((number for number, note in enumerate(back) if note.call != "probe"), len(back))
    after = [note for note in recovery if len(back) > first and note.at_s >= back[first].at_s and note.call != "probe"]
    return Findings(
        calls=len(told),
        answered_share=answered / len(told),
        refused=dict(Counter(one.status for one in told if one.status != 200)),
        touched_dead_late_share=sum(one.call in touched for one in late) / max(1, len(late)),
        dead_asked=sum(note.provider == "dead" for note in outage),
        late_s=late_s,
        channel_twice=sum(len({note.provider for note in notes}) < len(notes) for notes in ways.values()),
        retried_after_bytes=sum(any(note.said for note in notes[:-1]) for notes in ways.values()),
        streams_cut=len(cut),
        cut_told=len(cut_told),
        probes_until_back=first,
        back_share=sum(note.provider == "dead" for note in after) / max(1, len(after)),
        tried=dict(Counter(" > ".join(f"{note.provider} {note.status}" for note in notes) for notes in ways.values())),
    )


def write(found: Findings, a_second: float) -> Path:
    """A page and its figures under bench/results."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = RESULTS / f"{today}-outage.md"
    lines = [
        f"# Outage, {today}",
        "",
        f"{found.calls:,} calls at {a_second:g} a second; in the first half one provider answers 500 to everything, "
        "one takes 1.5 s to its first word and cuts every twentieth stream, one answers 429 beyond 20 calls a second, "
        "one is well. In the second half the dead one has recovered. All is from callers' and providers' notes.",
        "",
        "| What | Found | Should be |",
        "| --- | --: | --: |",
        f"| calls answered | {found.answered_share:.3%} | ≥ 99.9 % |",
        f"| calls after {found.late_s:g} s to the dead provider | {found.touched_dead_late_share:.3%} | < 1 % |",
        f"| requests the dead provider got in all, probes included | {found.dead_asked} | |",
        f"| calls that tried a channel twice | {found.channel_twice} | 0 |",
        f"| calls retried after bytes | {found.retried_after_bytes} | 0 |",
        f"| streams cut by their provider, and told so to the caller | {found.streams_cut}, {found.cut_told} | equal |",
        f"| requests to the recovered provider until a call was answered there | {found.probes_until_back} | ≤ 1 |",
        f"| its share of the calls from then on | {found.back_share:.1%} | > 0 |",
        "",
        "| Channels tried by a call, in order | Calls |",
        "| --- | --: |",
        *(f"| {way} | {count:,} |" for way, count in sorted(found.tried.items(), key=lambda pair: -pair[1])),
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def main() -> int:
    """Run it and judge it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", type=int, default=10_000)
    options.add_argument("--a-second", type=float, default=90.0)
    asked = options.parse_args()
    with scene(NAMES) as stage:
        found = asyncio.run(play(stage, asked.calls, asked.a_second, NOTICED_S))
    print(json.dumps(msgspec.to_builtins(found), indent=1))
    print(write(found, asked.a_second).name)
    for fault in found.faults():
        print(f"MISSED: {fault}")
    return 1 if found.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
