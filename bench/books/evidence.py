"""Which receipt belongs to which call, and what was going on around it."""

from collections import defaultdict
from typing import Any

from bench.books.books import Books, Receipt
from bench.books.caller import Seen
from bench.books.run import Outcome
from bench.books.story import Account, Call

LOST_S = 1.2
"""A call may be lost with its host when it ended at most so long before: a flush interval and the time of a write."""
AFTER_S = 15.0
"""A gateway may be busy with a call for so long after its caller has left."""
SHAKEN_S = 6.0
"""For so long after a blow a gateway may have to say that it cannot serve."""
NOTICE_S = 0.3
"""How long a caller may take to notice that a gateway is gone."""


class Case:
    """One call with everything that is known of it."""

    def __init__(self, call: Call, seen: Seen, attempts: list[dict[str, Any]], account: Account, user: str) -> None:
        self.call, self.seen, self.attempts, self.account, self.user = call, seen, attempts, account, user
        self.receipt: Receipt | None = None
        self.fate = ""
        """How its gateway's life ended while the call may have been open: `killed`, `lost`, `ended`, or nothing."""
        self.end = ""
        """How and when that life ended, counted from the end of the call."""
        self.disturbed = False
        """Its gateway was stopped, or the database away, while the call was open."""
        self.shaken = False
        """A gateway was stopped or killed, or the database away, a moment ago: others may have had to wait for it."""
        self.late = False
        """Its lease had been taken away before it was settled."""
        self.losable = False
        """It may have been lost together with its host's journal."""

    @property
    def rich(self) -> bool:
        """Money is never short: everything must be paid to the last nano-dollar."""
        return self.account.kind == "rich" and not self.account.budget

    @property
    def reached(self) -> bool:
        """A provider was asked, so a hold was taken."""
        return bool(self.attempts)

    def __str__(self) -> str:
        """Enough to look it up."""
        call, seen = self.call, self.seen
        kinds = ",".join(attempt["kind"] + ("!" if attempt.get("whole") else "") for attempt in self.attempts)
        how = "stream" if call.stream else "whole"
        return (
            f"call {call.number} ({seen.id or 'no id'}; {call.dialect} {call.model} {how};"
            f" {self.account.kind} {self.user}; hub {seen.hub}.{seen.life} {self.end}"
            f"{' disturbed' if self.disturbed else ''}; saw {seen.status} {seen.end} {seen.pieces} pieces;"
            f" provider: {kinds or 'not asked'})"
        )


class Evidence:
    """All cases, and the receipts that belong to none."""

    def __init__(self, outcome: Outcome, books: Books) -> None:
        self.outcome, self.books = outcome, books
        self.twice: list[str] = []
        attempts: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for line in outcome.attempts:
            if "call" in line:
                attempts[line["call"]].append(line)
        begun = [line["began"] for line in outcome.attempts if "began" in line]
        self.unfinished = len(begun) - sum(map(len, attempts.values()))
        """Attempts without an end in the provider's account: it is then not to be trusted."""
        deaths = [(life.ended_at, life.ended_at) for life in outcome.lives]
        self._blows = [*outcome.outages, *deaths, *((since, to) for _, _, since, to in outcome.pauses)]
        self._lives = {(life.hub, life.number): life for life in outcome.lives}
        self.cases = [self._case(seen, attempts[seen.number]) for seen in outcome.seen]
        self.strays = self._match(books.receipts)

    def _case(self, seen: Seen, attempts: list[dict[str, Any]]) -> Case:
        call = self.outcome.story.calls[seen.number]
        account, payer = self.outcome.story.accounts[call.account], self.outcome.payers[call.account]
        case = Case(call, seen, sorted(attempts, key=lambda line: int(line["attempt"])), account, payer.user)
        life = self._lives[seen.hub, seen.life]
        open_until = seen.ended_at + (AFTER_S if seen.end == "left" else NOTICE_S)
        if seen.sent_at - 1.0 <= life.ended_at <= open_until:
            case.fate = life.how
        case.end = f"{life.how} {life.ended_at - seen.ended_at:+.1f} s"
        ended = seen.end in ("whole", "error") and seen.status == 200
        lost = life.how == "lost" and life.ended_at <= open_until + LOST_S - NOTICE_S
        case.losable = lost and not (ended and self.outcome.plan.durability == "sync")
        own = [(since, to) for hub, number, since, to in self.outcome.pauses if (hub, number) == (seen.hub, seen.life)]
        case.disturbed = _overlaps(seen, [*own, *self.outcome.outages])
        case.shaken = _overlaps(seen, self._blows, SHAKEN_S)
        return case

    def _match(self, receipts: list[Receipt]) -> list[Receipt]:
        """Give each receipt to its call: by id, else by payer and alias, else by payer and time; those left over."""
        by_id = {case.seen.id: case for case in self.cases if case.seen.id}
        by_alias = {(case.user, case.call.asked): case for case in self.cases}
        rest = []
        for receipt in receipts:
            case = by_id.get(receipt.id) or (by_alias.get((receipt.user, receipt.asked)) if receipt.asked else None)
            if case is None:
                rest.append(receipt)
            elif case.receipt is not None:
                self.twice.append(f"{case} has two receipts: {case.receipt.id} and {receipt.id}")
            else:
                self._give(case, receipt)
        return self._match_by_time(rest)

    def _give(self, case: Case, receipt: Receipt) -> None:
        case.receipt = receipt
        case.late = self.books.entries.get(receipt.entry, ("", "", ""))[0] == "late"

    def _match_by_time(self, receipts: list[Receipt]) -> list[Receipt]:
        """Receipts of calls of which only the hold was known: the caller never learnt their ids."""
        waiting: dict[str, list[Case]] = defaultdict(list)
        for case in sorted(self.cases, key=lambda case: (not case.reached, case.seen.ended_at)):
            if case.receipt is None and not case.seen.id:
                waiting[case.user].append(case)
        strays = []
        for receipt in sorted(receipts, key=lambda receipt: receipt.at):
            for case in waiting[receipt.user]:
                if receipt.reason == "expired" and not case.fate:
                    continue
                until = case.seen.ended_at + (AFTER_S if case.seen.end == "left" else NOTICE_S)
                if case.seen.sent_at - 0.05 <= receipt.at <= until:
                    self._give(case, receipt)
                    waiting[receipt.user].remove(case)
                    break
            else:
                strays.append(receipt)
        return strays


def _overlaps(seen: Seen, spans: list[tuple[float, float]], after_s: float = 1.0) -> bool:
    return any(since <= seen.ended_at + 1.0 and to >= seen.sent_at - after_s for since, to in spans)
