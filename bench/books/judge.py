"""Judges a run: call by call, account by account; what remains unexplained is a difference."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from bench.books.books import HUB, Books, read_books
from bench.books.evidence import Case, Evidence
from bench.books.prices import PriceList
from bench.books.rules import Wrong, explain
from bench.books.run import Outcome
from bench.books.storage import Reader

SPENT_FIRST = ("plan", "promo", "topup")


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
    differences = list(evidence.twice)
    lost = 0
    for case in evidence.cases:
        try:
            why = explain(case, prices)
        except Wrong as wrong:
            differences.append(f"{case}: {wrong}; receipt: {_short(case)}")
        else:
            explained[why][0] += 1
            explained[why][1] += case.receipt.charge if case.receipt is not None else 0
            lost += why.startswith("lost") and case.reached
    differences += [
        f"{receipt.id} of {receipt.user} ({receipt.reason}) belongs to no call" for receipt in evidence.strays
    ]
    differences += [f"{call} has more than one receipt" for call in books.twice]
    differences += books.leftovers
    differences += _accounts(outcome, books)
    differences += _sums(books)
    differences += _endings(outcome, evidence)
    receipts = books.receipts
    return Verdict(
        outcome, {why: (count, charge) for why, (count, charge) in sorted(explained.items())}, differences,
        sum(receipt.overrun for receipt in receipts), sum(receipt.charge for receipt in receipts), lost,
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


def _accounts(outcome: Outcome, books: Books) -> Iterator[str]:
    """What each payer was given, less his receipts, is what he has; and no pot is drawn on before its turn."""
    charged: Counter[str] = Counter()
    for receipt in books.receipts:
        charged[receipt.user] += receipt.charge
    for payer in outcome.payers:
        pots = books.pots[payer.user]
        granted, has = sum(payer.granted.values()), sum(pots.get(kind, 0) for kind in SPENT_FIRST)
        if has != granted - charged[payer.user]:
            yield f"{payer.user} was given {granted}, charged {charged[payer.user]}, and has {has}"
        drawn = {kind: payer.granted.get(kind, 0) - pots.get(kind, 0) for kind in SPENT_FIRST}
        for place, kind in enumerate(SPENT_FIRST):
            before = [earlier for earlier in SPENT_FIRST[:place] if pots.get(earlier, 0)]
            if drawn[kind] and before:
                yield f"{payer.user} paid {drawn[kind]} from {kind} while {before[0]} holds {pots[before[0]]}"


def _sums(books: Books) -> Iterator[str]:
    """The hub's own accounts against the receipts."""
    hub = books.pots[HUB]
    charged = sum(receipt.charge for receipt in books.receipts)
    cost, over = sum(receipt.cost for receipt in books.receipts), sum(receipt.overrun for receipt in books.receipts)
    expected = {
        "revenue": charged + over, "provider_payable": cost, "provider_cost": -cost, "absorbed_loss": -over,
    }  # fmt: skip
    for kind, amount in expected.items():
        if hub.get(kind, 0) != amount:
            yield f"the hub's {kind} is {hub.get(kind, 0)}, the receipts make it {amount}"


def _endings(outcome: Outcome, evidence: Evidence) -> Iterator[str]:
    """How the run itself ended."""
    if len(outcome.seen) != outcome.plan.calls:
        yield f"{len(outcome.seen)} calls were made of {outcome.plan.calls}"
    if evidence.unfinished:
        yield f"{evidence.unfinished} attempts never ended in the provider's account"
    yield from outcome.glimpsed
    if outcome.orphans:
        yield f"{outcome.orphans} leases of dead processes were never returned"
    if any(outcome.exits):
        yield f"the gateways ended with {outcome.exits}"
    if outcome.audit:
        yield f"the audit: {outcome.audit[:2000]}"
