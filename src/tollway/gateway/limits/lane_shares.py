"""Channels' limits held by several processes together: each says what it counts on, and counts on what is left.

No call waits for that. A process says first how far it may go and listens afterwards, so of two that reach for the
same at least one hears the other; and without having asked it takes only a part of what was free when it listened last.
"""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from tollway.core.errors import Unavailable
from tollway.gateway.limits.stake import NEVER, NOTHING, UNSEEN, Limits, Stake, Three, View
from tollway.gateway.limits.window import ALL, WINDOW_S
from tollway.gateway.peers import Peers
from tollway.ports import Clock

TOPIC = "lanes"
ROUND_S = 0.1
"""Between two looks at what others say."""
REFRESH_S = 3.0
FROZEN_S = 10.0
"""The running calls of a process that said nothing for so long count no more."""
HOLD_S = 1.0
"""When the store has forgotten everything, nobody takes more for so long: others must say first what they have."""
AWAY_S = 1.0
log = logging.getLogger(__name__)


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What one process says of one channel or key."""

    claims: Three
    used: Three
    wants: bool
    frees_s: float
    """Seconds until the first it has used is free again."""


class Word(msgspec.Struct, frozen=True, array_like=True):
    """What one process says of all of them."""

    beat: int
    """Another one each time it is said."""
    lanes: dict[str, Said]


_read = msgspec.msgpack.Decoder(Word).decode
_write = msgspec.msgpack.Encoder().encode


class LaneShares:
    """Of all channels and keys that have limits. `attend` again and again."""

    def __init__(self, peers: Peers, clock: Clock) -> None:
        self._peers, self._clock = peers, clock
        self.needed: Callable[[], bool] = lambda: False
        """Whether any channel has limits: else nothing is said, and nobody listened to."""
        self.rounds = 0
        self._busy: dict[str, Stake] = {}
        self._heard: dict[str, tuple[bytes, Word, float]] = {}
        """What each said last, and since when."""
        self._said: dict[str, tuple[Three, Three, bool]] = {}
        self._said_s, self._beat = float("-inf"), 0
        self._wake = asyncio.Event()
        self._failing_s: float | None = None
        self.away = False
        """The store cannot be reached: each process keeps to its even part."""

    def stake(self, name: str) -> Stake:
        """A new stake in the limits of that channel or key."""
        return Stake(name, self)

    def begin(self, stake: Stake) -> None:
        """It is in use: come to terms about it soon."""
        self._busy[stake.name] = stake
        self._wake.set()

    def refresh(self, stake: Stake) -> None:
        """What may be used of a channel nobody here was asked for lately: a part of what was free when we listened."""
        stake.round, every = self.rounds, self._all
        stake.view = self._view(stake.name)
        if self.away:
            stake.here, stake.low = _each(stake.limits, lambda _, limit: -(-limit // every)), (ALL, ALL, ALL)
            return
        used, claims, parts = stake.used, stake.view.claims, every + 1 if every > 1 else 1

        def on_credit(at: int, limit: int) -> int:
            return used[at] + _part(limit - used[at] - claims[at], parts)

        stake.here, stake.low = _each(stake.limits, on_credit), used

    @property
    def is_alone(self) -> bool:
        """There is nobody to come to terms with."""
        return not self._peers.names

    @property
    def _all(self) -> int:
        """Processes, this one included."""
        return len(self._peers.names) + 1

    async def attend(self) -> None:
        """Wait until there is something to say, a tenth of a second at most, and come to terms."""
        if not self.rounds:
            pass  # whoever has just come listens before he is asked for anything
        elif self._failing_s is None:
            try:
                async with asyncio.timeout(ROUND_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
        else:
            await asyncio.sleep(ROUND_S)  # whoever waits for a store that is away asks no oftener
        self._wake.clear()
        if self._busy or self.needed():
            try:
                await self.round()
            except Unavailable as error:
                self._failed(error)

    async def round(self) -> None:
        """Say how far we may go, listen, and go as far as the others leave it. Raises Unavailable."""
        now_s = self._clock.monotonic_s()
        claims = {name: self._claim(stake, now_s) for name, stake in self._busy.items()}
        await self._say(claims, now_s)
        known = self._peers.names
        _, heard = await asyncio.gather(self._peers.attend(), self._peers.hear(TOPIC))
        if self._peers.names != known:  # after our word: whoever was not on the list yet has heard it
            heard = await self._peers.hear(TOPIC)
        self._hear(heard)
        if self.away:
            log.warning("the shared store is back: the limits of channels hold for all gateways together again")
        self._failing_s, self.away = None, False
        self.rounds += 1
        for name, stake in list(self._busy.items()):
            self._agree(stake, claims.get(name))

    def _failed(self, error: Unavailable) -> None:
        now_s = self._clock.monotonic_s()
        self._failing_s = now_s if self._failing_s is None else self._failing_s
        if now_s - self._failing_s >= AWAY_S and not self.away:
            log.error("%s: of channels' limits each gateway keeps to its even part", error.message)
            self.away = True
            self.rounds += 1

    # -- saying ------------------------------------------------------------------------------------------------

    def _claim(self, stake: Stake, now_s: float) -> Three:
        """How far this process would go; nothing beyond it is used from here on."""
        stake.forget_before(now_s - WINDOW_S)
        used, view, missed = stake.used, stake.view, max(stake.missed, stake.is_short(now_s))
        wanted, stake.missed = (missed, stake.largest, missed), 0
        if not stake.is_active(now_s):
            stake.largest = 0
            self.refresh(stake)
            return used
        said = self._said[stake.name][0] if stake.name in self._said else NOTHING
        is_held = now_s - self._peers.since_s < HOLD_S and self.rounds > 0

        def claim(at: int, limit: int) -> int:
            free = max(0, limit - used[at] - view.claims[at])
            if not self.is_alone:
                credit = (limit - view.claims[at] - min(said[at], used[at])) // (self._all + 1)
                free = max(0, free - (self._all - 1 - view.busy) * max(0, credit))  # others take it without asking
                if view.busy:
                    rest, parts = max(0, limit - used[at] - view.used[at]), view.busy + 2
                    free = min(free, max(rest // parts if view.wants else _part(rest, parts), wanted[at]))
                if view.wants and at == 1 and free < stake.largest:
                    free = 0  # of use to nobody here
            if is_held:
                free = min(free, max(0, stake.here[at] - used[at]))
            return used[at] + free

        claims, here = _each(stake.limits, claim), stake.here
        stake.here = _each(stake.limits, lambda at, _: min(here[at], claims[at]))
        return claims

    async def _say(self, claims: dict[str, Three], now_s: float) -> None:
        """Unless the others know it already."""
        said = {}
        for name, claim in claims.items():
            stake = self._busy[name]
            wants = stake.is_short(now_s)
            if any(claim) or wants:
                said[name] = (claim, stake.used, wants)
        if said != self._said or now_s - self._said_s >= REFRESH_S:
            self._beat += 1
            lanes = {name: Said(*one, self._busy[name].frees_s(now_s)) for name, one in said.items()}
            await self._peers.say(TOPIC, _write(Word(self._beat, lanes)))
            self._said, self._said_s = said, now_s

    # -- listening ---------------------------------------------------------------------------------------------

    def _hear(self, heard: dict[str, bytes]) -> None:
        now_s = self._clock.monotonic_s()
        known, self._heard = self._heard, {}
        for who, words in heard.items():
            before = known.get(who)
            if before is not None and before[0] == words:
                self._heard[who] = before
            else:
                word = _word(words)
                if word is not None:
                    self._heard[who] = words, word, now_s

    def _view(self, name: str) -> View:
        """What all others together say of one channel or key."""
        view, now_s = UNSEEN, self._clock.monotonic_s()
        for _, word, since_s in self._heard.values():
            said = word.lanes.get(name)
            if said is not None:
                view = _with(view, said, since_s, now_s - since_s > FROZEN_S)
        return view

    def _agree(self, stake: Stake, claims: Three | None) -> None:
        """Go as far as was claimed, if the others leave it."""
        if claims is None:
            return  # it began meanwhile: the next round is near
        used = stake.used
        if not stake.is_active(self._clock.monotonic_s()):  # it goes on like any other that nobody asks for
            if not any(used):
                del self._busy[stake.name]
            return
        before, view = stake.view, self._view(stake.name)
        stake.view = view
        here = _each(stake.limits, lambda at, limit: min(claims[at], max(0, limit - view.claims[at])))
        low = _each(stake.limits, lambda at, _: used[at] + (here[at] - used[at]) // 4, ALL)
        stake.round, stake.here, stake.low = self.rounds, here, (ALL, ALL, ALL) if self.is_alone else low
        full = any(_each(stake.limits, lambda at, _: used[at] >= here[at]))
        left = all(_each(stake.limits, lambda at, limit: used[at] + view.claims[at] < limit, 1))
        if not full:
            stake.short_s = NEVER
        if (full and left) or (view.wants and not before.wants and not full):
            self._wake.set()  # to take what others have just left, or to leave them what they have just asked for


def _each(limits: Limits, work: Callable[[int, int], int], else_: int = 0) -> Three:
    """`work` on each limit that there is, by its place."""
    rpm, tpm, parallel = limits
    return (
        else_ if rpm is None else work(0, rpm),
        else_ if tpm is None else work(1, tpm),
        else_ if parallel is None else work(2, parallel),
    )


def _part(of: int, parts: int) -> int:
    """One of so many even parts, rounded upward; nothing of nothing."""
    return -(-max(0, of) // parts)


def _word(words: bytes) -> Word | None:
    """None for one that is torn, or of another version."""
    try:
        return _read(words)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _with(view: View, said: Said, since_s: float, is_frozen: bool) -> View:
    """What one more process said, added; figures that cannot be are brought within bounds."""
    rpm, tpm, parallel = (min(max(0, one), ALL) for one in said.used)
    claims = [min(max(0, *pair), ALL) for pair in zip(said.claims, said.used, strict=True)]
    if is_frozen:
        parallel = claims[2] = 0
    free_s = said.frees_s if 0.0 <= said.frees_s <= WINDOW_S else WINDOW_S
    return View(
        (view.claims[0] + claims[0], view.claims[1] + claims[1], view.claims[2] + claims[2]),
        (view.used[0] + rpm, view.used[1] + tpm, view.used[2] + parallel),
        view.busy + (said.wants or claims != [rpm, tpm, parallel]),
        view.wants or said.wants,
        min(view.frees_s, since_s + free_s) if rpm else view.frees_s,
    )
