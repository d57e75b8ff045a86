"""How much each channel, and each of its keys, may take on: requests and tokens a minute, and calls at once."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tollway.core.ids import LaneId
from tollway.core.model import Channel
from tollway.gateway.limits.lane_shares import LaneShares
from tollway.gateway.limits.lane_use import Bound, LaneUse, Taken
from tollway.gateway.limits.stake import SharedBound
from tollway.gateway.limits.window import WINDOW_S

SWEEP_AT = 4096
ALL_LANES = "#"
"""Ends the name under which a channel as a whole is counted: no lane is called so."""


class Way(Protocol):
    """One lane of a channel."""

    @property
    def channel(self) -> Channel:
        """Whose limits hold."""

    @property
    def lane(self) -> LaneId:
        """Which of its keys."""


class Place:
    """What one attempt has taken; give it back when the attempt has ended. Giving back twice is harmless."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[tuple[LaneUse, Taken], ...]) -> None:
        self._parts = parts

    def release(self, tokens: int | None) -> None:
        """The attempt is over; `tokens` is what it used, None where nobody knows: then the estimate stands."""
        for use, taken in self._parts:
            use.running -= 1
            if tokens is not None:
                use.correct(taken, tokens)
        self._parts = ()


class LaneLimits:
    """The limits of all channels and keys, counted in this process. All times are monotonic seconds."""

    def __init__(self, shares: LaneShares | None = None) -> None:
        """`shares`: other processes send calls to the same channels."""
        self._new: Callable[[str], LaneUse] = (lambda _: LaneUse()) if shares is None else shares.stake
        self._bound: Callable[..., Bound] = Bound if shares is None else SharedBound
        self._uses: dict[str, LaneUse] = {}
        self._known: dict[LaneId, tuple[Channel, Sequence[Bound]]] = {}
        self._sweep_at = SWEEP_AT

    def take(self, way: Way, tokens: int, now_s: float) -> Place | float:
        """A place for one attempt of about so many tokens, or the seconds until there may be one.

        What does not fit counts for nothing.
        """
        if len(self._known) >= self._sweep_at:
            self._sweep(now_s)
        bounds = self._bounds(way)
        wait_s = max((bound.wait_s(tokens, now_s) for bound in bounds), default=0.0)
        if wait_s > 0:
            return wait_s
        return Place(tuple((bound.use, bound.use.take(tokens, now_s)) for bound in bounds))

    def headroom(self, way: Way, now_s: float) -> float:
        """What is left of the tightest limit of channel and key, 0 (full) to 1 (nothing in use, or no limit)."""
        return min((bound.headroom(now_s) for bound in self._bounds(way)), default=1.0)

    def wait_s(self, way: Way, now_s: float) -> float:
        """Seconds until one more request may fit; 0 when there is room."""
        return max((bound.wait_s(1, now_s) for bound in self._bounds(way)), default=0.0)

    def _bounds(self, way: Way) -> Sequence[Bound]:
        """The channel's limits and the key's, as far as there are any; made once for a channel as it is stated."""
        channel = way.channel
        known = self._known.get(way.lane)
        if known is not None and known[0] is channel:
            return known[1]
        bounds: list[Bound] = []
        if channel.rpm is not None or channel.tpm is not None or channel.parallel is not None:
            use = self._use(channel.id + ALL_LANES)
            bounds.append(self._bound(use, channel.rpm, channel.tpm, channel.parallel))
        if channel.key_rpm is not None or channel.key_tpm is not None or channel.key_parallel is not None:
            use = self._use(way.lane)
            bounds.append(self._bound(use, channel.key_rpm, channel.key_tpm, channel.key_parallel))
        self._known[way.lane] = channel, tuple(bounds)
        return bounds

    def _use(self, whose: str) -> LaneUse:
        return self._uses.get(whose) or self._uses.setdefault(whose, self._new(whose))

    def _sweep(self, now_s: float) -> None:
        """Forget who neither took anything within the last minute nor has a call running."""
        for use in self._uses.values():
            use.forget_before(now_s - WINDOW_S)
        self._uses = {name: use for name, use in self._uses.items() if use.running or use.taken}
        self._known.clear()
        self._sweep_at = max(SWEEP_AT, 2 * len(self._uses))
