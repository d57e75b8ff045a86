"""Many callers at once, on plain sockets: what each of them heard, or that he was left without an answer."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.journeys.callers import Caller, Heard
from tests.journeys.hub import Hub

RECEIPTS = re.compile(r"receipts(_\d{6})?")


async def ask(hub: Hub, caller: Caller, key: str, body: dict[str, Any], stream: bool = False) -> Heard | None:
    """One call; None when the gateway went away before a whole answer."""
    place, data = urlsplit(hub.url), json.dumps(body).encode()
    head = (
        f"POST {caller.path(stream, body.get('model', ''))} HTTP/1.1\r\nhost: {place.netloc}\r\nconnection: close\r\n"
        f"authorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(head.encode() + data)
            return _heard(await reader.read())
        finally:
            writer.close()
    except ConnectionError:
        return None


def _heard(raw: bytes) -> Heard | None:
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "content-length" in headers:
        is_cut = len(body) < int(headers["content-length"])
    else:
        is_cut = not body.endswith(b"0\r\n\r\n")
        body = _unchunked(body)
    return Heard(int(first.split(" ")[1]), headers, body, is_cut)


def _unchunked(body: bytes) -> bytes:
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            break
        out, body = out + body[:length], body[length + 2 :]
    return out


async def until(happened: Callable[[], bool], patience_s: float = 20.0) -> None:
    """Wait for something that another thread brings about."""
    async with asyncio.timeout(patience_s):
        while not happened():  # it happens in another thread
            await asyncio.sleep(0.005)


class Books:
    """What the database of a stopped or settled gateway says of one user's calls."""

    def __init__(self, hub: Hub, user: str) -> None:
        rows = [
            row
            for table in hub.tables()
            if RECEIPTS.fullmatch(table)
            for row in hub.rows(f"SELECT call_id, reason, charge FROM {table} WHERE user_id = '{user}'")
        ]
        self.charges = {call: charge for call, _, charge in rows}
        self.reasons = {call: reason for call, reason, _ in rows}
        self.count = len(rows)

    @property
    def by_reason(self) -> Counter[str]:
        """How many calls ended in which way."""
        return Counter(self.reasons.values())

    @property
    def charged(self) -> int:
        """Nano-dollars in all."""
        return sum(self.charges.values())


def left(hub: Hub, key: str) -> int:
    """What the owner of the key has, in nano-dollars."""
    status, _, told = hub.ask("/me", key=key)
    assert status == 200, told
    assert told["balance"]["held"] == 0
    return int(told["balance"]["nano_usd"])
