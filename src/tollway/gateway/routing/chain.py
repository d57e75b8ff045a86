"""Which strategies order a call's candidates: `prefix_affinity,cheapest` is a chain of two."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from tollway.gateway.routing import strategies
from tollway.gateway.routing.strategy import Strategy
from tollway.kit.registry import discover

STRATEGIES: Mapping[str, Strategy] = discover(strategies, "strategy", Strategy)
LAST = STRATEGIES["weighted"]
"""Decides what all others left open."""
MOST_CHARACTERS = 200


@lru_cache(maxsize=256)
def chain_of(stated: str) -> Sequence[Strategy]:
    """The strategies named, with commas between. Raises ValueError naming one that is none."""
    names = [name.strip() for name in stated[:MOST_CHARACTERS].split(",")]
    for name in names:
        if name not in STRATEGIES:
            raise ValueError(f"{name[:50]!r} is no strategy; known are {', '.join(sorted(STRATEGIES))}")
    chain = [STRATEGIES[name] for name in dict.fromkeys(names)]
    return tuple(chain) if LAST in chain else (*chain, LAST)
