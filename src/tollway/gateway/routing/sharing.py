"""What one process finds out about a channel, told to the others; in the background, never waited for by a call."""

import msgspec

from tollway.core.ids import LaneId
from tollway.gateway.routing.circuit import Circuit, Why
from tollway.gateway.routing.health import Health
from tollway.ports import Clock, KeyValue

NAME = "health:circuits"
KEPT_S = 7200.0
"""How long a circuit that nobody speaks of any more stays in the list."""
MOST = 1000
MOST_BYTES = 512 * 1024
"""A longer list is not ours, or broken: it is not even looked at."""
MOST_TEXT = 500
TRIES = 4


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What was last said of one circuit."""

    lane: str
    model: str
    why: str
    """Empty: it is closed."""
    until_s: float
    """Unix seconds, by the clock of whoever said it."""
    said_s: float
    """Likewise."""
    by: str
    """The process that said it."""


class Sharing:
    """Call `round` every second or so."""

    def __init__(self, health: Health, store: KeyValue, clock: Clock, me: str) -> None:
        """`me` names this process among all that share the store."""
        self._health, self._store, self._clock, self._me = health, store, clock, me
        self._known: dict[tuple[str, str], Entry] = {}
        """What we have taken over. What is said is new when it is another word: two hosts' clocks may differ."""
        self._listened = False

    async def round(self) -> None:
        """Tell what is new here and take over what is new elsewhere. Raises Unavailable; nothing is lost then."""
        health = self._health
        raw = await self._store.get(NAME)
        entries = _read(raw)
        self._adopt(entries)
        news = set(health.news)
        if not news:
            return
        for _ in range(TRIES):
            told = self._told(entries, news)
            if await self._store.swap(NAME, raw, told, KEPT_S):
                health.news -= news
                return
            raw = await self._store.get(NAME)
            entries = _read(raw)

    def _adopt(self, entries: dict[tuple[str, str], Entry]) -> None:
        health, now_s = self._health, self._clock.monotonic_s()
        for key, entry in entries.items():
            if entry.by == self._me or key in health.news or entry == self._known.get(key):
                continue
            self._known[key] = entry
            circuit = health.of(LaneId(entry.lane), entry.model)
            if entry.why in _WHYS:
                circuit.adopt(Why(entry.why), now_s + self._rest_s(entry), now_s)
            elif circuit.why is not None:
                circuit.close()
            health.news.discard(key)  # it is no news of ours
        for key in self._known.keys() - entries.keys():
            del self._known[key]
        self._listened = True

    def _rest_s(self, entry: Entry) -> float:
        """How long it rests from now on. What is new to whoever listens all the time was said a moment ago, whatever
        the clocks say; only who has just come goes by them, and by no more than the rest itself."""
        rules = self._health.rules
        longest_s = max(rules.retry_after_max_s, rules.cooldown_max_s)
        rest_s = min(max(entry.until_s - entry.said_s, 0.0), longest_s)
        age_s = 0.0 if self._listened else min(max(self._clock.now_s() - entry.said_s, 0.0), rest_s)
        return rest_s - age_s

    def _told(self, entries: dict[tuple[str, str], Entry], news: set[tuple[str, str]]) -> bytes:
        """The list with our own news, without what is old."""
        now_s, offset_s = self._clock.now_s(), self._clock.monotonic_s() - self._clock.now_s()
        ours = {key: self._entry(self._health.of(LaneId(key[0]), key[1]), now_s, offset_s) for key in news}
        kept = [one for one in (entries | ours).values() if abs(now_s - one.said_s) < KEPT_S]
        kept.sort(key=lambda one: one.said_s)
        return msgspec.json.encode(kept[-MOST:])

    def _entry(self, circuit: Circuit, now_s: float, offset_s: float) -> Entry:
        why = circuit.why.value if circuit.why is not None else ""
        until_s = circuit.until_s - offset_s if why else 0.0
        return Entry(circuit.lane, circuit.model, why, until_s, now_s, self._me)


_decode = msgspec.json.Decoder(list[Entry]).decode
_WHYS = frozenset(why.value for why in Why)


def _read(raw: bytes | None) -> dict[tuple[str, str], Entry]:
    """By circuit; what another version wrote, and we cannot read, is overwritten."""
    if raw is None or len(raw) > MOST_BYTES:
        return {}
    try:
        found = _decode(raw)[:MOST]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return {(one.lane, one.model): one for one in found if len(one.lane) + len(one.model) <= MOST_TEXT}
