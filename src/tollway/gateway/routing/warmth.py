"""Where conversations and prompts were answered, told to the other processes: each keeps them on the warm channel."""

from collections import deque

import msgspec

from tollway.core.ids import LaneId
from tollway.gateway.peers import MOST_BYTES, Peers
from tollway.gateway.routing.affinity import Bonds
from tollway.gateway.routing.memory import Known, Memory
from tollway.ports import Clock

TOPIC = "warm"
ROUNDS = 8
"""For so many rounds each piece of news is said again, for those who were held up."""
MOST = 500
"""News of each kind in one word."""
MOST_TEXT = 500
"""Characters of a name; a longer one is no name of ours."""


class Prompt(msgspec.Struct, frozen=True, array_like=True):
    """A prompt that a lane has answered."""

    key: int
    lane: str
    model: str
    age_s: float
    end: int
    check: int


class Talk(msgspec.Struct, frozen=True, array_like=True):
    """A conversation that is with a lane."""

    name: tuple[str, str, str, str, str]
    lane: str
    left_s: float


class Word(msgspec.Struct, frozen=True, array_like=True):
    """What one process says of its last rounds."""

    prompts: list[Prompt]
    talks: list[Talk]


_read = msgspec.msgpack.Decoder(Word).decode
_write = msgspec.msgpack.Encoder().encode


class Warmth:
    """Call `round` every second or so, after the peers' own round."""

    def __init__(self, memory: Memory, bonds: Bonds | None, peers: Peers, clock: Clock) -> None:
        self._memory, self._bonds, self._peers, self._clock = memory, bonds, peers, clock
        self._prompts: deque[dict[int, Known]] = deque(maxlen=ROUNDS)
        self._talks: deque[dict[tuple[str, ...], tuple[LaneId, float]]] = deque(maxlen=ROUNDS)
        self._heard: dict[str, bytes] = {}
        """What each said when we listened last."""
        self._silent = True
        """Nothing that was said still stands."""

    async def round(self) -> None:
        """Tell what is new here and take over what is new elsewhere. Raises Unavailable."""
        await self._tell()
        heard = await self._peers.hear(TOPIC)
        for who, words in heard.items():
            if words != self._heard.get(who):
                self._adopt(words)
        self._heard = heard

    async def _tell(self) -> None:
        memory, bonds = self._memory, self._bonds
        self._prompts.append(memory.untold)
        memory.untold = {}
        if bonds is not None:
            self._talks.append(bonds.untold)
            bonds.untold = {}
        if any(self._prompts) or any(self._talks):
            self._silent = False
            await self._peers.say(TOPIC, self._word())
        elif not self._silent:
            self._silent = True
            await self._peers.say(TOPIC, _write(Word([], [])))

    def _word(self) -> bytes:
        """The latest news, as many as may be said at once."""
        now_s = self._clock.monotonic_s()
        prompts: dict[int, Known] = {}
        for some in self._prompts:
            prompts.update(some)
        talks: dict[tuple[str, ...], tuple[LaneId, float]] = {}
        for others in self._talks:
            talks.update(others)
        most = MOST
        while True:
            said = [
                Prompt(key, one.lane, one.model, now_s - one.at_s, one.end, one.check) for key, one in prompts.items()
            ]
            told = [(name, lane, ends_s - now_s) for name, (lane, ends_s) in talks.items()]
            words = _write((said[-most:], told[-most:]))
            if len(words) <= MOST_BYTES:
                return words
            most //= 2  # long names: fewer of them

    def _adopt(self, words: bytes) -> None:
        try:
            word = _read(words)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # of another version, or torn: the next one may be whole
        now_s = self._clock.monotonic_s()
        for one in word.prompts[-MOST:]:
            if one.age_s >= 0 and len(one.lane) + len(one.model) <= MOST_TEXT:
                known = Known(LaneId(one.lane), one.model, now_s - one.age_s, one.end, one.check)
                self._memory.adopt(one.key, known)
        if self._bonds is not None:
            for talk in word.talks[-MOST:]:
                if len(talk.lane) + sum(map(len, talk.name)) <= 4 * MOST_TEXT:
                    self._bonds.adopt(talk.name, LaneId(talk.lane), now_s + talk.left_s, now_s)
