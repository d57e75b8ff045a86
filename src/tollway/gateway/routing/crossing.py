"""From one group of a caller to his next: the plans of several groups as one (relay.md 4.3)."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from tollway.core.errors import NoChannelAnswered, RateLimited
from tollway.gateway.routing.plan import Candidate, Facts, Lineup, Plan

W = TypeVar("W")


def crossed(ways: Sequence[W], plan_in: Callable[[W], Plan]) -> Plan:
    """The plan of the first group, then those of the others, each at its own price; the worst case is the dearest.

    A group that no channel serves now is left out. Raises what the first one raised when that is true of all.
    """
    plans: list[Plan] = []
    wrong: RateLimited | NoChannelAnswered | None = None
    for way in ways:
        try:
            plans.append(plan_in(way))
        except (RateLimited, NoChannelAnswered) as error:
            wrong = wrong or error
    if not plans:
        raise wrong or NoChannelAnswered(())
    first, *others = plans
    if not others:
        return first
    return msgspec.structs.replace(first, candidates=Lineup([], _chained(plans)), facts=_dearest(plans))


def _chained(plans: Sequence[Plan]) -> Iterator[Candidate]:
    for plan in plans:
        yield from plan.candidates


def _dearest(plans: Sequence[Plan]) -> Facts:
    facts = [plan.facts for plan in plans]
    return Facts(
        tuple(model for each in facts for model in each.models),
        tuple(price for each in facts for price in each.prices),
        frozenset.intersection(*(each.able for each in facts)),
        max(each.most_output for each in facts),
        (max(each.dearest[0] for each in facts), max(each.dearest[1] for each in facts)),
        any(each.pictured for each in facts),
        tuple(prompt for each in facts for prompt in each.prompts),
        max(each.prompt_bytes for each in facts),
    )
