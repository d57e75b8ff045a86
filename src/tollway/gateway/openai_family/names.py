"""Names and ids that fit the wire: too long or oddly spelt ones become stable short ones."""

import hashlib
import re

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_SPEAKER = re.compile(r"[^\s<|\\/>]{1,64}\Z")
_NOT_NAME = re.compile(r"[^a-zA-Z0-9_-]")


def tool_name(name: str) -> str:
    """The name as the wire takes it: at most 64 of `[a-zA-Z0-9_-]`, the same for the same name every time."""
    if _NAME.match(name):
        return name
    return f"{_NOT_NAME.sub('_', name)[:53]}_{_digest(name, 10)}"


def call_id(given: str) -> str:
    """A tool call's id: at most 40 characters, the same for the call and its result."""
    return given if len(given) <= 40 else f"call_{_digest(given, 24)}"


def user_id(user: str) -> str:
    """The caller's name for its end user: at most 64 characters."""
    return user if len(user) <= 64 else _digest(user, 64)


def speaker(name: str) -> bool:
    """Whether a message's `name` may be sent."""
    return bool(_SPEAKER.match(name))


def _digest(value: str, length: int) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:length]
