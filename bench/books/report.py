"""Says what was tried, how every nano-dollar is explained, and every difference."""

from collections import Counter
from collections.abc import Iterator

from bench.books.judge import Verdict

SHOWN = 40


def report(verdict: Verdict) -> str:
    """The whole report as text."""
    return "\n".join(_lines(verdict))


def _lines(verdict: Verdict) -> Iterator[str]:
    outcome, plan = verdict.outcome, verdict.outcome.plan
    yield (
        f"{plan.database}, {plan.processes} gateway process{'es' if plan.processes > 1 else ''}, seed {plan.seed}:"
        f" {len(outcome.seen)} calls of {len(outcome.payers)} accounts in {outcome.took_s:.0f} s"
    )
    done = outcome.done
    yield (
        f"  torment: {done.get('kill', 0)} kills, {done.get('stop', 0)} stops for longer than a lease,"
        f" {done.get('database', 0)} {'restarts' if plan.database == 'postgresql' else 'locks'} of the database,"
        f" {done.get('lose', 0)} journals lost, {done.get('end', 0)} restarts in peace"
    )
    yield f"  the books were looked at {outcome.looks} times meanwhile"
    faults = Counter(line["kind"] for line in outcome.attempts if "call" in line)
    yield "  provider: " + ", ".join(f"{count} {kind}" for kind, count in faults.most_common())
    ends = Counter(f"{seen.status or 'no'} {seen.end}" for seen in outcome.seen)
    yield "  callers saw: " + ", ".join(f"{count} times {end}" for end, count in ends.most_common())
    yield f"  {sum(count for count, _ in verdict.explained.values())} calls explained:"
    for why, (count, charge) in verdict.explained.items():
        yield f"    {count:7,} calls {charge:16,} nano-dollars  {why}"
    yield (
        f"  charged {verdict.charged:,} nano-dollars; absorbed {verdict.absorbed:,}; {verdict.lost} calls lost with"
        f" {done.get('lose', 0)} hosts; {verdict.late} settled late, their leases swept;"
        f" {len(verdict.differences)} differences"
    )
    for difference in verdict.differences[:SHOWN]:
        yield f"  DIFFERENCE {difference}"
    if len(verdict.differences) > SHOWN:
        yield f"  … and {len(verdict.differences) - SHOWN} more"
