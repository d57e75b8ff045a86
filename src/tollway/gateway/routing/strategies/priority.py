"""Higher priority first; among equals the next strategy decides."""

from collections.abc import Iterable, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import Observations, Strategy


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterable[Sequence[Candidate]]:
    """One group for each priority."""
    return seen.once("priority", candidates, _parted)


def _parted(candidates: Sequence[Candidate]) -> Sequence[Sequence[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for one in candidates:
        found.setdefault(one.channel.priority, []).append(one)
    return (candidates,) if len(found) == 1 else [found[priority] for priority in sorted(found, reverse=True)]


strategy = Strategy("priority", order)
