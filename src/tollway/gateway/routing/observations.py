"""What a strategy sees of the world during one call."""

import hashlib
from collections.abc import Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.tier import Tier, shares

_SPAN = float(2**64 + 1)


class Seen:
    """`Observations` of one call; each thing is worked out when a strategy asks for it."""

    __slots__ = ("_call_id", "_tier")

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._tier: Tier | None = None

    def enter(self, tier: Tier) -> None:
        """The candidates of this tier are ordered next."""
        self._tier = tier

    @property
    def draw(self) -> float:
        """A number from 0 up to 1 that the call's id decides."""
        return _number(self._call_id) / _SPAN

    def lot(self, one: Candidate) -> float:
        """A number above 0 and below 1 that the call's id and the lane decide."""
        return (_number(f"{self._call_id}:{one.lane}") + 1) / _SPAN

    def shares(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        """Running sums of the candidates' effective weights."""
        tier = self._tier
        return tier.sums if tier is not None and candidates is tier.ready else shares(candidates)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
