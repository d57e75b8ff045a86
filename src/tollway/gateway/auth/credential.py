"""Finds the credential in a request's head, in every form clients send it (relay.md 1.3)."""

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

BEARER = "bearer"
QUERY_KEY = "query:key"

_INF = re.compile(rb"inf_[A-Za-z0-9_-]{43}")
_SK = re.compile(rb"(sk-[A-Za-z0-9]{48})(?:-[!-~]*)?")


def credential(headers: Mapping[bytes, bytes], query: str, carriers: tuple[str, ...]) -> bytes | None:
    """The raw key from the first of `carriers` that holds one; empty ones count as absent.

    `carriers` are `bearer`, `query:key`, and names of headers that hold the bare key.
    """
    for carrier in carriers:
        if carrier == BEARER:
            value = headers.get(b"authorization", b"")
            found = value[7:].strip() if value[:7] == b"Bearer " else _bearer(value)
        elif carrier == QUERY_KEY:
            found = _query_key(query) if "key=" in query else b""
        else:
            found = headers.get(carrier.encode(), b"").strip()
        if found:
            return found
    return None


def digest_of(raw: bytes) -> str | None:
    """What the key is stored and compared by: SHA-256 in hexadecimal; None when `raw` has not the form of a key.

    What follows the 48 characters of an `sk-` key is not part of the key.
    """
    if _INF.fullmatch(raw):
        return hashlib.sha256(raw).hexdigest()
    match = _SK.fullmatch(raw)
    return hashlib.sha256(match[1]).hexdigest() if match else None


def channel_hint(raw: bytes) -> str | None:
    """The channel an `sk-<key>-<channel>` credential asks for."""
    if not _SK.fullmatch(raw):
        return None
    return raw[3:].decode("ascii").partition("-")[2].partition("-")[0] or None


def _bearer(value: bytes) -> bytes:
    return value[7:].strip() if value[:7].lower() == b"bearer " else b""


def _query_key(query: str) -> bytes:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name == "key" and value:
            return unquote_to_bytes(value).strip()
    return b""


def carriers_of(path: str) -> tuple[str, ...]:
    """The carriers accepted on a path of the control plane; a key in the query only where Google's clients put it."""
    if path.startswith(("/v1beta/", "/v1/models")):
        return ("x-api-key", "x-goog-api-key", QUERY_KEY, BEARER)
    return ("x-api-key", "x-goog-api-key", BEARER)
