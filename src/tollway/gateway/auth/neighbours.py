"""Bad keys counted across processes: who guesses at all of them is shut out of all of them (hub.md 1.6)."""

from collections import Counter

import msgspec

from tollway.gateway.auth.lockout import Lockout
from tollway.ports import Clock, KeyValue

SHUT_OUT = "authblock:all"
MOST = 1_000
"""Addresses on the list that all processes read; the one whose time is over first leaves it."""
TRIES = 8
MOST_BYTES = 256 * 1024
"""A longer list is not ours, or broken."""
LATE_S = 3600.0
"""So much later than possible an end may be said, by a host whose clock is wrong; what is beyond it is rubbish."""

_read = msgspec.msgpack.Decoder(dict[str, float]).decode
_write = msgspec.msgpack.Encoder().encode


class Neighbours:
    """Call `round` once or twice a second; nobody waits for it. What could not be told is told the next time."""

    def __init__(self, lockout: Lockout, store: KeyValue, clock: Clock) -> None:
        self._lockout, self._store, self._clock = lockout, store, clock
        self._untold: Counter[str] = Counter()
        """Bad keys by address."""
        self._known: dict[str, float] = {}
        """Whom the others have shut out until when (Unix seconds), as we have read it."""
        lockout.on_failure = self._note

    def _note(self, group: str) -> None:
        if len(self._untold) < self._lockout.rule.most_peers:
            self._untold[group] += 1

    async def round(self) -> None:
        """Tell who failed here, and learn who is shut out. Raises Unavailable."""
        rule, now_s = self._lockout.rule, self._clock.now_s()
        for group in list(self._untold):
            failed = await self._counted(f"authfail:{group}", self._untold[group])
            del self._untold[group]
            if failed >= rule.failures:
                self._lockout.shut_out(group, self._clock.monotonic_s() + rule.locked_s)
        raw = await self._store.get(SHUT_OUT)
        self._learn(raw, now_s)
        monotonic_s = self._clock.monotonic_s()
        ours = {group: until_s - monotonic_s + now_s for group, until_s in self._lockout.locks.items()}
        news = {group: until_s for group, until_s in ours.items() if until_s > self._known.get(group, now_s) + 1.0}
        for _ in range(TRIES if news else 0):
            together = sorted((self._known | news).items(), key=lambda entry: -entry[1])[:MOST]
            if await self._store.swap(SHUT_OUT, raw, _write(dict(together)), rule.locked_s):
                self._known = dict(together)
                return
            raw = await self._store.get(SHUT_OUT)
            self._learn(raw, now_s)

    async def _counted(self, name: str, by: int) -> int:
        within_s = self._lockout.rule.within_s
        try:
            return await self._store.add(name, by, within_s)
        except ValueError:  # what stands there is no count of ours
            await self._store.put(name, b"%d" % by, within_s)
            return by

    def _learn(self, raw: bytes | None, now_s: float) -> None:
        latest_s = now_s + self._lockout.rule.locked_s
        known = {
            group: min(until_s, latest_s) for group, until_s in _known(raw).items() if until_s <= latest_s + LATE_S
        }
        for group, until_s in known.items():
            if until_s > now_s and self._known.get(group) != until_s:
                self._lockout.shut_out(group, min(until_s, latest_s) - now_s + self._clock.monotonic_s())
        self._known = {group: until_s for group, until_s in known.items() if until_s > now_s}


def _known(raw: bytes | None) -> dict[str, float]:
    """Who is shut out until when. What is torn, or no list of ours, is written anew."""
    if raw is None or len(raw) > MOST_BYTES:
        return {}
    try:
        return _read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
