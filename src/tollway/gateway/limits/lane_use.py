"""What one channel or key did within the last minute and does now, and the limits that hold for it."""

from collections import deque

from tollway.gateway.limits.window import RETRY_PARALLEL_S, WINDOW_S

FORGOTTEN = float("-inf")


class Taken:
    """One request within the window; its tokens are estimated first and corrected once they are known."""

    __slots__ = ("at_s", "tokens")

    def __init__(self, at_s: float, tokens: int) -> None:
        self.at_s, self.tokens = at_s, tokens


class LaneUse:
    """What one channel or key did within the last minute, and does now."""

    __slots__ = ("running", "taken", "tokens")

    def __init__(self) -> None:
        self.taken: deque[Taken] = deque()
        self.tokens = 0
        """The sum over `taken`."""
        self.running = 0

    def forget_before(self, then_s: float) -> None:
        """Forget requests that are over a minute old."""
        taken = self.taken
        while taken and taken[0].at_s <= then_s:
            self.tokens -= taken[0].tokens
            taken.popleft().at_s = FORGOTTEN

    def take(self, tokens: int, now_s: float) -> Taken:
        """One more request begins."""
        taken = Taken(now_s, tokens)
        self.taken.append(taken)
        self.tokens += tokens
        self.running += 1
        return taken

    def correct(self, one: Taken, tokens: int) -> None:
        """The tokens of a request are so many; one that is forgotten counts no more."""
        if one.at_s != FORGOTTEN:
            self.tokens += tokens - one.tokens
            one.tokens = tokens


class Bound:
    """One set of limits, and the use they hold for."""

    __slots__ = ("parallel", "rpm", "tpm", "use")

    def __init__(self, use: LaneUse, rpm: int | None, tpm: int | None, parallel: int | None) -> None:
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
