"""How much each channel, and each of its keys, may take on: requests and tokens a minute, and calls at once."""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from tollway.core.ids import LaneId
from tollway.core.model import Channel
from tollway.gateway.limits.window import RETRY_PARALLEL_S, WINDOW_S

SWEEP_AT = 4096
FORGOTTEN = float("-inf")
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


class _Taken:
    """One request within the window; its tokens are estimated first and corrected once they are known."""

    __slots__ = ("at_s", "tokens")

    def __init__(self, at_s: float, tokens: int) -> None:
        self.at_s, self.tokens = at_s, tokens


class _Use:
    """What one channel or key did within the last minute, and does now."""

    __slots__ = ("running", "taken", "tokens")

    def __init__(self) -> None:
        self.taken: deque[_Taken] = deque()
        self.tokens = 0
        """The sum over `taken`."""
        self.running = 0

    def forget_before(self, then_s: float) -> None:
        taken = self.taken
        while taken and taken[0].at_s <= then_s:
            self.tokens -= taken[0].tokens
            taken.popleft().at_s = FORGOTTEN

    def take(self, tokens: int, now_s: float) -> _Taken:
        taken = _Taken(now_s, tokens)
        self.taken.append(taken)
        self.tokens += tokens
        self.running += 1
        return taken

    def correct(self, one: _Taken, tokens: int) -> None:
        """The tokens of a request are so many; one that is forgotten counts no more."""
        if one.at_s != FORGOTTEN:
            self.tokens += tokens - one.tokens
            one.tokens = tokens


class _Bound:
    """One set of limits, and the use they hold for."""

    __slots__ = ("parallel", "rpm", "tpm", "use")

    def __init__(self, use: _Use, rpm: int | None, tpm: int | None, parallel: int | None) -> None:
        self.use, self.rpm, self.tpm, self.parallel = use, rpm, tpm, parallel

    def wait_s(self, tokens: int, now_s: float) -> float:
        """Seconds until a request of so many tokens fits; 0 when it fits now.

        One that is larger than the limit itself fits when nothing else is there.
        """
        use = self.use
        use.forget_before(now_s - WINDOW_S)
        wait_s = 0.0
        if self.parallel is not None and use.running >= self.parallel:
            wait_s = RETRY_PARALLEL_S  # nobody knows when a running call will end
        if self.rpm is not None and len(use.taken) >= self.rpm:
            wait_s = max(wait_s, use.taken[len(use.taken) - self.rpm].at_s + WINDOW_S - now_s)
        if self.tpm is not None and use.tokens + min(tokens, self.tpm) > self.tpm:
            wait_s = max(wait_s, self._until_fits(self.tpm - min(tokens, self.tpm), now_s))
        return wait_s

    def _until_fits(self, room: int, now_s: float) -> float:
        left = self.use.tokens
        for one in self.use.taken:
            left -= one.tokens
            if left <= room:
                return one.at_s + WINDOW_S - now_s
        return WINDOW_S

    def headroom(self, now_s: float) -> float:
        """The part of the tightest limit that is left, 0 to 1."""
        use = self.use
        use.forget_before(now_s - WINDOW_S)
        used = ((self.rpm, len(use.taken)), (self.tpm, use.tokens), (self.parallel, use.running))
        return max(0.0, min((1.0 - count / limit for limit, count in used if limit is not None), default=1.0))


class Place:
    """What one attempt has taken; give it back when the attempt has ended. Giving back twice is harmless."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[tuple[_Use, _Taken], ...]) -> None:
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

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}
        self._sweep_at = SWEEP_AT

    def take(self, way: Way, tokens: int, now_s: float) -> Place | float:
        """A place for one attempt of about so many tokens, or the seconds until there may be one.

        What does not fit counts for nothing.
        """
        if len(self._uses) >= self._sweep_at:
            self._sweep(now_s)
        bounds = tuple(self._bounds(way))
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

    def _bounds(self, way: Way) -> Iterator[_Bound]:
        channel = way.channel
        if channel.rpm is not None or channel.tpm is not None or channel.parallel is not None:
            yield _Bound(self._use(channel.id + ALL_LANES), channel.rpm, channel.tpm, channel.parallel)
        if channel.key_rpm is not None or channel.key_tpm is not None or channel.key_parallel is not None:
            yield _Bound(self._use(way.lane), channel.key_rpm, channel.key_tpm, channel.key_parallel)

    def _use(self, whose: str) -> _Use:
        return self._uses.get(whose) or self._uses.setdefault(whose, _Use())

    def _sweep(self, now_s: float) -> None:
        """Forget who neither took anything within the last minute nor has a call running."""
        for use in self._uses.values():
            use.forget_before(now_s - WINDOW_S)
        self._uses = {name: use for name, use in self._uses.items() if use.running or use.taken}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._uses))
