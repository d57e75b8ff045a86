"""Whether messages hold more than words: seen at a glance where that is plain, else by reading their parts' types."""

from typing import Any

import msgspec

_WORDS = frozenset({"text", "refusal"})
_BRACKET = ord("[")
_MOST_BRACKETS, _MOST_SPACE = 32, 8
"""Of a text with more brackets (program code), or with more space before one, the parts are looked at instead."""


class _Kind(msgspec.Struct, gc=False):
    type: str = "function"


class _Turn(msgspec.Struct, gc=False):
    content: msgspec.Raw = msgspec.Raw(b"null")
    images: Any = None


_turns = msgspec.json.Decoder(list[_Turn]).decode
kinds = msgspec.json.Decoder(list[_Kind]).decode


def holds_media(messages: Any) -> bool:
    """Whether any content part is more than words; malformed messages are left for others to refuse."""
    if not isinstance(messages, msgspec.Raw):
        return messages is not None
    if _only_strings(bytes(messages)):
        return False
    try:
        for turn in _turns(messages):
            if turn.images is not None:
                return True
            content = turn.content
            if memoryview(content)[0] == _BRACKET and any(part.type not in _WORDS for part in kinds(content)):
                return True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False


def _only_strings(messages: bytes) -> bool:
    """Whether it is plain at a glance that no turn holds a list: no bracket stands behind a colon, even in a text.

    Many times faster than reading a long text; what is not plain has to be read.
    """
    at = messages.find(b"[", 1)
    for _ in range(_MOST_BRACKETS):
        if at < 0:
            return messages[:2] == b"[{"
        before = messages[max(0, at - _MOST_SPACE) : at].rstrip(b" \t\r\n")[-1:]
        if before in (b":", b""):
            return False
        at = messages.find(b"[", at + 1)
    return False
