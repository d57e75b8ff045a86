"""What this process may use of a channel's limits, where several processes send calls to the same channel."""

from typing import NamedTuple, Protocol

from tollway.gateway.limits.lane_use import Bound, LaneUse, Taken
from tollway.gateway.limits.window import RETRY_PARALLEL_S, WINDOW_S

Three = tuple[int, int, int]
"""Requests and tokens within a minute, and calls at once."""
Limits = tuple[int | None, int | None, int | None]
NOTHING: Three = (0, 0, 0)
QUIET_S = 2.0
"""A channel that nobody asked for here for so long keeps no more than it has used."""
SHORT_S = 1.0
"""For so long a process that had to pass a channel by says that it could use more of it."""
LITTLE = 0.001
"""The headroom of a channel that has room here, though all processes together have nearly used it up."""
LOOK_S = 0.05
"""Whoever asks for a full channel without end is not passed on to the store with every call."""
NEVER = float("-inf")


class View(NamedTuple):
    """What the others said last of one channel or key, summed up."""

    claims: Three = NOTHING
    """What they may come to use: nobody else may count on it."""
    used: Three = NOTHING
    busy: int = 0
    """How many of them may use more than they have used, or want to."""
    wants: bool = False
    """Somebody had to pass it by."""
    frees_s: float = float("inf")
    """When the first of their requests is a minute old; monotonic."""


UNSEEN = View()


class Agreeing(Protocol):
    """Comes to terms with the other processes."""

    rounds: int
    """How often it has."""

    @property
    def is_alone(self) -> bool:
        """There is nobody to come to terms with."""

    def refresh(self, stake: "Stake") -> None:
        """What may be used of this until the next round."""

    def begin(self, stake: "Stake") -> None:
        """It is in use: come to terms about it soon."""


class Stake(LaneUse):
    """The use of one channel or key, and this process's part of its limits."""

    __slots__ = (
        "_agreeing",
        "active_s",
        "here",
        "largest",
        "limits",
        "low",
        "missed",
        "name",
        "round",
        "short_s",
        "view",
    )

    def __init__(self, name: str, agreeing: Agreeing) -> None:
        super().__init__()
        self.name, self._agreeing = name, agreeing
        self.limits: Limits = (None, None, None)
        self.view = UNSEEN
        self.here = NOTHING
        """How far this process may go now."""
        self.low = NOTHING
        """Beyond these it is time to come to terms again."""
        self.round = -1
        """Since which round `here` holds."""
        self.active_s = self.short_s = NEVER
        """When somebody last asked for it, and when it last had to be passed by; monotonic seconds."""
        self.missed = 0
        """Calls that passed it by since the last round."""
        self.largest = 0
        """Tokens of the largest call of late."""

    def is_active(self, now_s: float) -> bool:
        """Somebody asked for it lately."""
        return now_s - self.active_s < QUIET_S

    def is_short(self, now_s: float) -> bool:
        """A call had to pass it by lately."""
        return now_s - self.short_s < SHORT_S

    def frees_s(self, now_s: float) -> float:
        """Seconds until its first request is a minute old."""
        return max(0.0, self.taken[0].at_s + WINDOW_S - now_s) if self.taken else WINDOW_S

    @property
    def used(self) -> Three:
        """Counted here."""
        return len(self.taken), self.tokens, self.running

    def meet(self, limits: Limits, now_s: float) -> None:
        """Look at it as it is now, under these limits."""
        self.forget_before(now_s - WINDOW_S)
        if self.round != self._agreeing.rounds or self.limits is not limits:
            self.limits = limits
            self._agreeing.refresh(self)

    def take(self, tokens: int, now_s: float) -> Taken:
        """One more request begins."""
        taken = super().take(tokens, now_s)
        self.active_s = now_s
        low = self.low
        if len(self.taken) > low[0] or self.tokens > low[1] or self.running > low[2]:
            self._agreeing.begin(self)
        return taken

    def short(self, now_s: float) -> float:
        """A call has to pass it by: perhaps others leave more. What is left: nothing."""
        if not self._agreeing.is_alone:
            self.active_s = now_s
            self.missed += 1
            if now_s - self.short_s >= LOOK_S:
                self.short_s = now_s
                self._agreeing.begin(self)
        return 0.0

    def wait_s(self, at: int, now_s: float) -> float:
        """Seconds until there may be more of that limit."""
        limit, taken = self.limits[at] or 0, self.taken
        if at == 0 and len(taken) >= limit:
            return taken[len(taken) - limit].at_s + WINDOW_S - now_s
        if self.used[at] + self.view.used[at] < limit:
            return RETRY_PARALLEL_S  # it lies idle elsewhere
        frees_s = min(taken[0].at_s + WINDOW_S, self.view.frees_s) if taken else self.view.frees_s
        return min(max(frees_s - now_s, RETRY_PARALLEL_S), WINDOW_S)


class SharedBound(Bound):
    """One set of limits, and this process's stake in it."""

    use: Stake
    __slots__ = ("_limits",)

    def __init__(self, use: Stake, rpm: int | None, tpm: int | None, parallel: int | None) -> None:
        super().__init__(use, rpm, tpm, parallel)
        self._limits = rpm, tpm, parallel

    def wait_s(self, tokens: int, now_s: float) -> float:
        """Seconds until a request of so many tokens may fit; 0 when it fits now."""
        stake = self.use
        stake.meet(self._limits, now_s)
        rpm, tpm, parallel = stake.here
        wait_s = 0.0
        if self.parallel is not None and stake.running >= parallel:
            wait_s = RETRY_PARALLEL_S
        if self.rpm is not None and len(stake.taken) >= rpm:
            wait_s = max(wait_s, stake.wait_s(0, now_s))
        if self.tpm is not None:
            size = min(tokens, self.tpm)
            stake.largest = max(stake.largest, size)
            if stake.tokens + size > tpm and (stake.tokens or size + stake.view.claims[1] > self.tpm):
                wait_s = max(wait_s, stake.wait_s(1, now_s), RETRY_PARALLEL_S)
        if wait_s:
            stake.short(now_s)
        return wait_s

    def headroom(self, now_s: float) -> float:
        """The part of the tightest limit that all processes together leave, 0 to 1; 0 when nothing is left here."""
        stake = self.use
        stake.meet(self._limits, now_s)
        here, others, left = stake.here, stake.view.used, 1.0
        if self.rpm is not None:
            used = len(stake.taken)
            if used >= here[0]:
                return stake.short(now_s)
            left = 1.0 - (used + others[0]) / self.rpm
        if self.tpm is not None:
            if stake.tokens >= here[1]:
                return stake.short(now_s)
            left = min(left, 1.0 - (stake.tokens + others[1]) / self.tpm)
        if self.parallel is not None:
            if stake.running >= here[2]:
                return stake.short(now_s)
            left = min(left, 1.0 - (stake.running + others[2]) / self.parallel)
        return max(left, LITTLE)
