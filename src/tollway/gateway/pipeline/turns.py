"""Whose turn it is: the candidates of one call in the order of its attempts."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from tollway.core.errors import BadRequest, Fault, NoChannelAnswered, Remedy
from tollway.core.ids import ChannelId, LaneId
from tollway.core.model import Model
from tollway.gateway.pipeline.prepare import CannotSay
from tollway.gateway.routing.plan import Candidate, Plan

MAX_ATTEMPTS = 6
MayTry = Callable[[Candidate], bool]


def attempts(
    plan: Plan,
    faults: list[Fault],
    lost: list[LaneId] | None = None,
    may_try: MayTry | None = None,
    most: int = MAX_ATTEMPTS,
) -> Iterator[Candidate]:
    """The candidates in order, `most` at most, no lane twice; one more try in all where a remedy is ONCE_MORE.

    `faults` grows while the caller iterates, and `lost`, the lanes that failed elsewhere, may: the last fault decides
    how to go on. Whom `may_try` refuses, and whose channel failed under another key, comes after all others of its
    model.
    """
    return islice(_attempts(plan, faults, [] if lost is None else lost, may_try), most)


def _attempts(plan: Plan, faults: list[Fault], lost: list[LaneId], may_try: MayTry | None) -> Iterator[Candidate]:
    candidates = iter(plan.candidates)
    first = next(candidates, None) if may_try is None else None
    if first is not None:
        yield first  # nearly always this one answers, and nothing of the rest is needed
    yield from _others(plan.model, candidates, first, faults, lost, may_try)


def _others(
    asked: Model,
    candidates: Iterator[Candidate],
    first: Candidate | None,
    faults: list[Fault],
    failed: list[LaneId],
    may_try: MayTry | None,
) -> Iterator[Candidate]:
    """Those after `first`, which has failed; all of them without a `first`."""
    broken: set[ChannelId] = set()

    def is_enough(one: Candidate) -> bool:
        """The caller's own request is at fault: no other model may answer in its place."""
        is_other = one.model is not asked and bool(faults)
        return is_other and all(isinstance(fault, CannotSay) for fault in faults)

    def put_off(one: Candidate) -> bool:
        if is_enough(one):
            return False
        return one.channel.id in broken or (may_try is not None and not may_try(one))

    once_more = True
    again: Candidate | None = None
    turns = _turns(candidates, failed, put_off)
    candidate = first or next(turns, None)
    while candidate is not None:
        if candidate is not first:
            if is_enough(candidate):
                return
            yield candidate
        again = None
        fault = faults[-1]
        if not isinstance(fault, CannotSay) and fault.status != 404:  # those are the model's, not the lane's
            failed.append(candidate.lane)
            if fault.status >= 500 or fault.remedy is Remedy.ONCE_MORE:
                broken.add(candidate.channel.id)
        if fault.remedy is Remedy.ONCE_MORE:
            if not once_more:
                return
            once_more, again = False, candidate
        candidate = next(turns, None)
    if again is not None:
        yield again


def _turns(
    candidates: Iterable[Candidate], failed: list[LaneId], put_off: Callable[[Candidate], bool]
) -> Iterator[Candidate]:
    """Each model's candidates, those put off after the others; nobody who has failed before his turn comes."""
    later: list[Candidate] = []
    model = None
    for candidate in candidates:
        if candidate.model is not model:
            yield from (one for one in later if one.lane not in failed)
            later, model = [], candidate.model
        if candidate.lane in failed:
            continue
        if put_off(candidate):
            later.append(candidate)
        else:
            yield candidate
    yield from (one for one in later if one.lane not in failed)


def no_answer(faults: list[Fault]) -> NoChannelAnswered | BadRequest:
    """What to tell the caller when every candidate failed: his own request, if nobody could say it."""
    if faults and all(isinstance(fault, CannotSay) for fault in faults):
        first = faults[0]
        assert isinstance(first, CannotSay)
        return first.cause
    return NoChannelAnswered([fault for fault in faults if not isinstance(fault, CannotSay)] or faults)
