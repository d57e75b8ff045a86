"""Higher priority first; among equals the next strategy decides."""

from collections.abc import Iterable, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import Observations, Strategy


def order(candidates: Sequence[Candidate], _seen: Observations) -> Iterable[Sequence[Candidate]]:
    """One group for each priority."""
    found: dict[int, list[Candidate]] = {}
    for one in candidates:
        found.setdefault(one.channel.priority, []).append(one)
    return [found[priority] for priority in sorted(found, reverse=True)]


strategy = Strategy("priority", order)
