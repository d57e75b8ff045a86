"""Processes that share a store: who is there, and what each has said for the others to hear.

Each writes only what it says itself, so nobody overwrites anybody; and nobody compares the clocks of two hosts: what is
no longer said ends by the store's own time, and whoever stands still is noticed by each with its own clock.
"""

import asyncio
from collections.abc import Iterable

import msgspec

from tollway.ports import Clock, KeyValue

LIST = "peers"
LISTED_S = 300.0
BEAT_S = 10.0
"""How often each process shows on the list that it lives."""
GONE_S = 60.0
"""Whoever showed nothing for so long is gone."""
SAID_S = 80.0
"""How long a word stands that is not said again: longer than any window of a minute."""
MOST = 64
"""Processes that are listened to."""
MOST_BYTES = 256 * 1024
"""A longer word is not ours, or broken: it is not even looked at."""
TRIES = 6

_read = msgspec.msgpack.Decoder(dict[str, int]).decode
_write = msgspec.msgpack.Encoder().encode


class Peers:
    """This process among all that share the store."""

    def __init__(self, store: KeyValue, clock: Clock, me: str) -> None:
        """`me` names this process among all."""
        self._store, self._clock, self.me = store, clock, me
        self._seen: dict[str, tuple[int, float]] = {}
        """What each last showed on the list, and when that was new to us (monotonic seconds)."""
        self._beat, self._beaten_s = 0, float("-inf")
        self.since_s = float("-inf")
        """When this process came onto the list, anew if the store had forgotten it; monotonic."""
        self.names: tuple[str, ...] = ()
        """The others that are there."""

    async def attend(self) -> None:
        """Stand on the list, and learn who else does. Raises Unavailable."""
        now_s = self._clock.monotonic_s()
        raw = await self._store.get(LIST)
        listed = self._see(raw, now_s)
        if listed.get(self.me) == self._beat and now_s - self._beaten_s < BEAT_S:
            return
        if self.me not in listed:
            self.since_s = now_s
        self._beat += 1
        for _ in range(TRIES):
            told = {who: listed[who] for who in self.names} | {self.me: self._beat}
            if await self._store.swap(LIST, raw, _write(told), LISTED_S):
                self._beaten_s = now_s
                return
            raw = await self._store.get(LIST)
            listed = self._see(raw, now_s)

    def _see(self, raw: bytes | None, now_s: float) -> dict[str, int]:
        listed = _listed(raw)
        seen = self._seen
        self._seen = {
            who: known if (known := seen.get(who)) is not None and known[0] == beat else (beat, now_s)
            for who, beat in listed.items()
            if who != self.me
        }
        there = [who for who, (_, at_s) in self._seen.items() if now_s - at_s < GONE_S]
        self.names = tuple(sorted(there, key=lambda who: -self._seen[who][1])[:MOST])
        return listed

    async def say(self, topic: str, words: bytes) -> None:
        """Let the others hear this, in place of what was said of the topic before. Raises Unavailable."""
        await self._store.put(f"{topic}:{self.me}", words, SAID_S)

    async def hear(self, topic: str) -> dict[str, bytes]:
        """What the others say, by who says it. Raises Unavailable."""
        names = self.names
        heard: Iterable[bytes | None] = await asyncio.gather(*(self._store.get(f"{topic}:{who}") for who in names))
        return {
            who: words
            for who, words in zip(names, heard, strict=True)
            if words is not None and len(words) <= MOST_BYTES
        }


def _listed(raw: bytes | None) -> dict[str, int]:
    """Who stands on the list; what cannot be read is written anew."""
    if raw is None or len(raw) > MOST_BYTES:
        return {}
    try:
        return _read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
