"""Knows a request's head again that its client repeats word for word, all but the length of the body."""

import re
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,15})\r\n", re.IGNORECASE)
MOST_DIGITS = 15
_UNLEARNT = frozenset((b"upgrade", b"expect", b"transfer-encoding"))
"""Heads with these are read anew each time: they say more than how long the body is."""
_MOST = 512
_TRIES = 8
"""How often in a row a connection's head may be new before it is no longer learnt."""


class Familiar(NamedTuple):
    """A head that was read strictly once: the same bytes mean the same again, but for the figure between them."""

    before: bytes
    """Up to the digits of the body's length."""
    digits: bytes
    after: bytes
    """From the line end behind the digits to the end of the head."""
    at: int
    """Length of `before`."""
    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    """Shared by all requests whose bodies are as long as the first one's."""


class Memory:
    """One connection's last head. The heads themselves are in `shared`, as most connections of a client send one."""

    __slots__ = ("_known", "_shared", "_tries")

    def __init__(self, shared: dict[tuple[bytes, bytes], Familiar]) -> None:
        self._known: Familiar | None = None
        self._shared = shared
        self._tries = 0

    def recall(self, data: bytes) -> tuple[Familiar, dict[bytes, bytes], bytes] | None:
        """Head, headers and body when `data` is the same head again with its whole body, and nothing else."""
        known = self._known
        if known is None or not data.startswith(known.before):
            return None
        at = known.at
        end = data.find(b"\r", at, at + MOST_DIGITS + 1)
        if end <= at or not data.startswith(known.after, end):
            return None
        digits, start = data[at:end], end + len(known.after)
        if not digits.isdigit() or int(digits) != len(data) - start:
            return None
        self._tries = 0
        headers = known.headers
        return known, headers if digits == known.digits else headers | {b"content-length": digits}, data[start:]

    def learn(self, data: bytes, method: str, path: str, query: str, headers: dict[bytes, bytes]) -> None:
        """Remember the head of `data`, which has just been read as one whole keep-alive request and nothing else.

        Its head must state the body's length in plain digits, and nothing else that bears on how bytes are read.
        """
        self._tries += 1
        head = data.find(b"\r\n\r\n") + 4
        found = _LENGTH.search(data, 0, head) if head > 4 and self._tries < _TRIES else None
        if found is None or not _UNLEARNT.isdisjoint(headers) or headers.get(b"content-length") != found[1]:
            return
        if int(found[1]) != len(data) - head:
            return
        start, end = found.span(1)
        before, after, shared = data[:start], data[end:head], self._shared
        known = shared.get((before, after))
        if known is None:
            if len(shared) >= _MOST:
                shared.clear()
            known = shared[before, after] = Familiar(before, found[1], after, start, method, path, query, headers)
        self._known = known
