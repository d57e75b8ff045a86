"""Judges a run: call by call, account by account; what remains unexplained is a difference."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from bench.books.books import read_books
from bench.books.evidence import Case, Evidence
from bench.books.prices import PriceList
from bench.books.rules import Wrong, explain
from bench.books.run import Outcome
from bench.books.storage import Reader
from bench.books.sums import accounts, budgets, losses, totals


class Verdict(NamedTuple):
    """What came of it."""

    outcome: Outcome
    explained: dict[str, tuple[int, int]]
    """(calls, nano-dollars charged) by explanation."""
    differences: list[str]
    absorbed: int
    """Nano-dollars that nobody paid, each explained."""
    charged: int
    lost: int
    """Calls lost with their host."""
    late: int
    """Calls whose lease had been taken away before they were settled."""


def judge(outcome: Outcome, reader: Reader) -> Verdict:
    """Compare the provider's account, what callers saw and the books."""
    books, prices = read_books(reader), PriceList()
    evidence = Evidence(outcome, books)
    explained: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    differences = [*_endings(outcome, evidence), *evidence.twice]
    lost: list[Case] = []
    for case in evidence.cases:
        try:
            why = explain(case, prices)
        except Wrong as wrong:
            differences.append(f"{case}: {wrong}; receipt: {_short(case)}")
        else:
            explained[why][0] += 1
            explained[why][1] += case.receipt.charge if case.receipt is not None else 0
            if why.startswith("lost") and case.reached:
                lost.append(case)
    differences += [
        f"{receipt.id} of {receipt.user} ({receipt.reason}) belongs to no call" for receipt in evidence.strays
    ]
    differences += [f"{call} has more than one receipt" for call in books.twice]
    differences += books.leftovers
    differences += accounts(outcome, books)
    differences += budgets(outcome, books)
    differences += totals(books)
    differences += losses(outcome, books, lost, prices)
    receipts = books.receipts
    return Verdict(
        outcome, {why: (count, charge) for why, (count, charge) in sorted(explained.items())}, differences,
        sum(receipt.overrun for receipt in receipts), sum(receipt.charge for receipt in receipts), len(lost),
        sum(case.late for case in evidence.cases),
    )  # fmt: skip


def _short(case: Case) -> str:
    receipt = case.receipt
    if receipt is None:
        return "none"
    tried = ",".join(f"{one['channel']}:{one['status']}" for one in receipt.attempts)
    return (
        f"{receipt.id} {receipt.reason} charge {receipt.charge} overrun {receipt.overrun} hold {receipt.hold}"
        f" usage {tuple(receipt.usage or ())} {'ours' if receipt.estimated else 'theirs'} tried {tried}"
        f" {receipt.body.get('note', '')} {receipt.body.get('stop', '')}"
    )


def _endings(outcome: Outcome, evidence: Evidence) -> Iterator[str]:
    """How the run itself ended."""
    if len(outcome.seen) != outcome.plan.calls:
        yield f"{len(outcome.seen)} calls were made of {outcome.plan.calls}"
    if evidence.unfinished:
        yield f"{evidence.unfinished} attempts never ended in the provider's account"
    if outcome.orphans:
        yield f"{outcome.orphans} leases of dead processes were never returned"
    if any(outcome.exits):
        yield f"the gateways ended with {outcome.exits}"
    if outcome.audit:
        yield f"the audit: {outcome.audit[:2000]}"
    yield from outcome.glimpsed
