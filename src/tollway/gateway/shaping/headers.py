"""Header overrides: values with placeholders, and patterns that let a caller's own headers pass (relay.md 3.6)."""

import re
from collections.abc import Callable, Iterable, Mapping

from tollway.kit.sendable import bad_header
from tollway.stated.headers import pattern_of

Lines = tuple[tuple[bytes, bytes], ...]
NEVER_PASS = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "expect", "cookie", "host", "content-length", "content-type"),
        *("content-encoding", "accept-encoding", "authorization", "x-api-key", "x-goog-api-key", "api-key"),
        *("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-accept"),
        *("sec-websocket-protocol", "http2-settings", "x-channel-id"),
    }
)
"""A caller's headers that no pattern, placeholder or operation takes to a provider: they carry his own credentials,
belong to his own connection, or speak to us."""
OURS = "x-tollway-"
_CLIENT = re.compile(r"\{client_header:([^{}]*)\}")
Made = Callable[[Mapping[bytes, bytes], dict[str, str]], None]
"""Adds to the headers what one entry of an override makes of a caller's headers."""


def split(override: Iterable[tuple[str, str]], key: str) -> tuple[tuple[tuple[str, str], ...], tuple[Made, ...]]:
    """What stands fast once the channel's key is known, and what depends on the caller."""
    fixed: list[tuple[str, str]] = []
    made: list[Made] = []
    for name, value in override:
        pattern = pattern_of(name)
        if pattern is not None:
            made.append(_passes(pattern))
        elif _CLIENT.search(value):
            made.append(_filled(name, value.replace("{api_key}", key)))
        else:
            fixed.append((name, value.replace("{api_key}", key)))
    return tuple(fixed), tuple(made)


def passable(name: str, said: Mapping[bytes, bytes]) -> str | None:
    """A caller's header of this name where it may go on; None when he sent none, or it never may."""
    name = name.lower()
    value = said.get(name.encode("latin-1", "replace"))
    if value is None or name in NEVER_PASS or name.startswith(OURS) or name in _named_by_connection(said):
        return None
    text = value.decode("latin-1")
    return None if bad_header(name, text) else text


def _named_by_connection(said: Mapping[bytes, bytes]) -> Iterable[str]:
    """What a caller has said is for his connection only (RFC 9110, 7.6.1)."""
    stated = said.get(b"connection", b"").decode("latin-1").lower()
    return [name.strip() for name in stated.split(",")] if stated else ()


def merged(lines: Lines, put: Mapping[str, str], taken: Iterable[str] = ()) -> Lines:
    """Header lines with some put in place of, or beside, those that are there, and others taken out."""
    gone = {name.encode() for name in (*put, *taken)}
    rest = tuple(line for line in lines if line[0] not in gone)
    return (*rest, *((name.encode(), value.encode()) for name, value in put.items()))


def _passes(pattern: re.Pattern[str]) -> Made:
    def make(said: Mapping[bytes, bytes], headers: dict[str, str]) -> None:
        for raw in said:
            name = raw.decode("latin-1")
            if pattern.search(name) and (value := passable(name, said)) is not None:
                headers.setdefault(name, value)

    return make


def _filled(name: str, template: str) -> Made:
    sources = _CLIENT.findall(template)

    def make(said: Mapping[bytes, bytes], headers: dict[str, str]) -> None:
        values = {source: passable(source.strip(), said) for source in sources}
        if None not in values.values():  # a placeholder whose source is missing drops the header
            headers[name] = _CLIENT.sub(lambda found: values[found[1]] or "", template)

    return make
