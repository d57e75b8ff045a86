"""Says what may stand in the head of an HTTP request, before anyone tries to send it."""

import re
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that belong to whoever sends the bytes."""


def is_sendable(value: str) -> bool:
    """Whether a header's value, or a part of one, is plain ASCII without a line break."""
    return value.isascii() and (value.isprintable() or not value)


def bad_header(name: str, value: str) -> str:
    """Why this header cannot be added to requests; empty when it can."""
    if not _TOKEN.fullmatch(name):
        return "is no name for a header"
    if name.lower() in _FRAMING:
        return "belongs to the connection and cannot be stated"
    return "" if is_sendable(value) else "must be printable ASCII in one line"


def bad_base_url(url: str) -> str:
    """Why requests cannot be sent below this URL; empty when they can."""
    if not is_sendable(url) or " " in url:
        return "must be printable ASCII without spaces"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be http:// or https:// with a host"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must not hold credentials, a query or a fragment"
    return ""
