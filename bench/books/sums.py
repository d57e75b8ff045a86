"""Accounts and totals judged: what was given, charged, used and lost must add up, whichever way it is counted."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from bench.books.books import HUB, Books
from bench.books.evidence import Case
from bench.books.prices import PriceList
from bench.books.run import Outcome
from bench.books.story import MODELS, Tokens

SPENT_FIRST = ("plan", "promo", "topup")
RETURNED = re.compile(r"process (\w+) .* the lease of (\w+): (\d+) nano-dollars went back unspent")
"""What the sweeper writes when it closes a dead process's lease: at most so much may be missing."""


def accounts(outcome: Outcome, books: Books) -> Iterator[str]:
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


def budgets(outcome: Outcome, books: Books) -> Iterator[str]:
    """What a key has used of its budget is what its calls were charged, and never more than the budget.

    A call whose lease was taken away is charged to its payer, and to the budget as far as that goes.
    """
    in_time: Counter[str] = Counter()
    charged: Counter[str] = Counter()
    for receipt in books.receipts:
        charged[receipt.key] += receipt.charge
        in_time[receipt.key] += receipt.charge * (books.entries[receipt.entry][0] != "late")
    for payer in outcome.payers:
        purse = f"{payer.key_id}/total/-"
        if payer.budget and purse in books.pots:
            used = payer.budget - books.pots[purse]["budget"]
            if not in_time[payer.key_id] <= used <= charged[payer.key_id] or used > payer.budget:
                yield f"{purse} of {payer.budget} has used {used}, charged were {charged[payer.key_id]}"
        elif payer.budget and charged[payer.key_id]:
            yield f"{payer.key_id} was charged {charged[payer.key_id]}, and has no purse for its budget"


def totals(books: Books) -> Iterator[str]:
    """The hub's own accounts, the daily usage and the splits against the receipts."""
    hub = books.pots[HUB]
    charged = sum(receipt.charge for receipt in books.receipts)
    cost, over = sum(receipt.cost for receipt in books.receipts), sum(receipt.overrun for receipt in books.receipts)
    expected = {
        "revenue": charged + over, "provider_payable": cost, "provider_cost": -cost, "absorbed_loss": -over,
    }  # fmt: skip
    for kind, amount in expected.items():
        if hub.get(kind, 0) != amount:
            yield f"the hub's {kind} is {hub.get(kind, 0)}, the receipts make it {amount}"
    used: dict[str, list[int]] = {}
    for receipt in books.receipts:
        sums = used.setdefault(receipt.user, [0, 0, 0, 0, 0])
        tokens = receipt.usage or Tokens(0, 0)
        for place, amount in enumerate((1, receipt.charge, receipt.cost, tokens.asked, tokens.said)):
            sums[place] += amount
    for user in used.keys() | books.used.keys():
        if tuple(used.get(user, ())) != books.used.get(user, ()):
            yield f"the daily usage of {user} is {books.used.get(user)}, the receipts make it {used.get(user)}"
    charges = {receipt.id: receipt.charge for receipt in books.receipts}
    for call, amount in books.splits.items():
        if charges.get(call) != amount:
            yield f"call {call} was split over pots with {amount} in all, its receipt charges {charges.get(call)}"


def losses(outcome: Outcome, books: Books, lost: Iterable[Case], prices: PriceList) -> Iterator[str]:
    """What calls that ended were lost with their host is within what the sweeper wrote down as possibly missing."""
    names = {(life.hub, life.number): life.name for life in outcome.lives}
    missing: Counter[tuple[str, str]] = Counter()
    whose: dict[tuple[str, str], list[int]] = {}
    for case in lost:
        attempt = case.attempts[-1] if case.attempts else None
        if attempt is None or attempt["kind"] == "high" or not attempt["channel"].startswith(MODELS[case.call.model]):
            continue  # what was charged would have to be guessed: less than was told, or the price of another model
        if case.seen.end == "whole" and case.seen.status == 200 and attempt["told"]:
            where = names[case.seen.hub, case.seen.life], case.user
            missing[where] += prices.cost(case.call.model, Tokens(*attempt["told"]))[1]
            whose.setdefault(where, []).append(case.call.number)
    written: Counter[tuple[str, str]] = Counter()
    for kind, _, reason in books.entries.values():
        found = RETURNED.match(reason) if kind == "expire" else None
        if found is not None:
            written[found[1], found[2]] += int(found[3])
    for where, amount in missing.items():
        if amount > written[where]:
            process, user = where
            yield (
                f"{amount} of {user} were lost with process {process} (calls {whose[where]}), written down as possibly"
                f" missing are {written[where]}"
            )
