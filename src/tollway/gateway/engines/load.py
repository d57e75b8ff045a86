"""How busy one engine is: what it said last, and what we ourselves sent since."""

from dataclasses import dataclass

import msgspec

from tollway.gateway.engine import Gauges

LEARN = 0.3
"""The weight of a new measurement in a moving average."""
TYPICAL_TOKENS = 500
"""A prompt of somebody else's, while nothing is known of his."""


class EngineLoad(msgspec.Struct, frozen=True):
    """An engine's load as far as it is known now."""

    running: int
    """Requests it works on."""
    waiting: int
    """Requests that wait there, those we have just sent counted as long as the engine has not said otherwise."""
    kv_used: float | None
    """Of its key-value cache, 0 to 1; None: it does not say."""
    first_token_ms: float | None
    """Moving average over our own streams; None: none yet."""
    age_s: float | None
    """Since it last told its load; None: it does not tell, or not lately, and only our own calls are counted."""


@dataclass(eq=False, slots=True)
class Ours:
    """A call of ours that the engine has not ended yet."""

    begun_s: float
    tokens: int
    """Of its prompt, about."""
    alone: bool
    """No other was there when it came."""
    spoken_s: float | None = None
    """When its first word came."""


class Busy:
    """One engine. All times are monotonic seconds."""

    def __init__(self, stale_s: float, slots: int | None) -> None:
        """`stale_s`: how old its word may be."""
        self._stale_s = stale_s
        self.stated_slots = slots
        """How many requests it works on at once, if it never says."""
        self._told: Gauges | None = None
        self._asked_s = self._told_s = float("-inf")
        self._ended_since = 0
        self._ours: set[Ours] = set()
        self.trouble = "not asked yet"
        """Why it does not tell its load; empty when it does."""
        self.prefill_per_s: float | None = None
        """Prompt tokens it works through in a second, as it measured itself, else as we did; None: not known yet."""
        self.first_token_s: float | None = None
        self.call_s: float | None = None
        """How long a call of ours takes there, as a moving average."""

    # -- what it says ------------------------------------------------------------------------------------------

    def told(self, gauges: Gauges, asked_s: float, now_s: float) -> None:
        """It answered at `now_s` what we asked at `asked_s`."""
        before = self._told
        if before is not None:
            self._learn_speed(before, gauges)
        self._told, self._asked_s, self._told_s = gauges, asked_s, now_s
        self._ended_since = 0
        self.trouble = "" if gauges.running is not None or gauges.waiting is not None else "its engine has no such page"

    def silent(self, trouble: str) -> None:
        """It could not be asked, or what it said could not be read."""
        self.trouble = trouble

    def _learn_speed(self, before: Gauges, now: Gauges) -> None:
        if None in (before.prompt_tokens, before.prompt_seconds, now.prompt_tokens, now.prompt_seconds):
            return
        tokens = (now.prompt_tokens or 0.0) - (before.prompt_tokens or 0.0)
        seconds = (now.prompt_seconds or 0.0) - (before.prompt_seconds or 0.0)
        if tokens > 0 and seconds > 0:  # below nothing: it was started anew
            self.prefill_per_s = _averaged(self.prefill_per_s, tokens / seconds)

    # -- what we send ------------------------------------------------------------------------------------------

    def began(self, tokens: int, now_s: float) -> Ours:
        """A call of ours goes to it."""
        ours = Ours(now_s, tokens, not self._ours)
        self._ours.add(ours)
        return ours

    def spoke(self, ours: Ours, now_s: float) -> None:
        """The first word of a stream."""
        ours.spoken_s = now_s
        took_s = now_s - ours.begun_s
        self.first_token_s = _averaged(self.first_token_s, took_s)
        measures_itself = self._told is not None and self._told.prompt_seconds is not None
        if ours.alone and not measures_itself and took_s > 0 and ours.tokens:
            self.prefill_per_s = _averaged(self.prefill_per_s, ours.tokens / took_s)

    def ended(self, ours: Ours, now_s: float, whole: bool) -> None:
        """It is over; `whole`: with an answer."""
        if ours not in self._ours:
            return
        self._ours.remove(ours)
        if ours.begun_s <= self._asked_s:
            self._ended_since += 1
        if whole:
            self.call_s = _averaged(self.call_s, now_s - ours.begun_s)

    # -- what follows ------------------------------------------------------------------------------------------

    @property
    def slots(self) -> int | None:
        """How many requests it works on at once; None: as many as there is room for."""
        return (self._told.slots if self._told is not None else None) or self.stated_slots

    def load(self, now_s: float) -> EngineLoad:
        """Its load now."""
        told, age_s = self._told, now_s - self._told_s
        first_ms = None if self.first_token_s is None else self.first_token_s * 1000
        if told is None or age_s > self._stale_s or (told.running is None and told.waiting is None):
            running, waiting = self._shared_out(0, 0, self._ours)
            return EngineLoad(running, waiting, None, first_ms, None)
        waiting = max(0, (told.waiting or 0) - self._ended_since)  # whoever waited took the place of one that ended
        running = max(0, (told.running or 0) + (told.waiting or 0) - waiting - self._ended_since)
        running, waiting = self._shared_out(running, waiting, self._since())
        return EngineLoad(running, waiting, told.kv_used, first_ms, max(0.0, age_s))

    def _since(self) -> set[Ours]:
        """Our calls that its last word cannot have counted."""
        return {one for one in self._ours if one.begun_s > self._asked_s}

    def _shared_out(self, running: int, waiting: int, more: set[Ours]) -> tuple[int, int]:
        """Of what the engine has and `more` of ours: how many are worked on, how many wait."""
        if self.slots is not None:
            every = running + waiting + len(more)
            return min(every, self.slots), max(0, every - self.slots)
        spoken = sum(one.spoken_s is not None for one in more)
        return running + spoken, waiting + len(more) - spoken

    def ahead_tokens(self, load: EngineLoad) -> float:
        """Tokens of prompts that wait there, about: those of our own calls, and a guess for those of others."""
        counted = self._ours if load.age_s is None else self._since()
        wordless = [one.tokens for one in counted if one.spoken_s is None]
        others = max(0, load.waiting - len(wordless))
        return sum(wordless) + others * (sum(wordless) / len(wordless) if wordless else TYPICAL_TOKENS)

    def first_token_in_s(self, tokens: float, load: EngineLoad) -> float | None:
        """When a prompt of so many tokens that are not in its cache could expect its first word; None: no idea.

        Where it works on a fixed number at once, what waits must first be answered; else what is ahead must be read.
        """
        if self.prefill_per_s is None:
            return None
        own_s = tokens / self.prefill_per_s
        if self.slots is None:
            return own_s + self.ahead_tokens(load) / self.prefill_per_s
        if load.running < self.slots:
            return own_s
        return None if self.call_s is None else own_s + (load.waiting + 1) * self.call_s / self.slots


def _averaged(known: float | None, new: float) -> float:
    return new if known is None else known + LEARN * (new - known)
