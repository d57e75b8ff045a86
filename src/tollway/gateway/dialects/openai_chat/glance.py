"""A glance at a whole answer that passes through: what it used, and whether it said anything."""

from typing import Any

import msgspec

from tollway.core.usage import Usage
from tollway.gateway.dialect import Glance
from tollway.gateway.dialects.openai_chat.usage import WireUsage, counted, read_usage

_ABSENT = msgspec.Raw(b"null")
_NOTHING = frozenset({b"null", b'""', b"[]", b"{}"})
_LONGEST_NOTHING = max(map(len, _NOTHING))


class _GlancedMessage(msgspec.Struct, gc=False):
    content: msgspec.Raw = _ABSENT
    refusal: msgspec.Raw = _ABSENT
    reasoning_content: msgspec.Raw = _ABSENT
    reasoning: msgspec.Raw = _ABSENT
    tool_calls: msgspec.Raw = _ABSENT
    function_call: msgspec.Raw = _ABSENT
    audio: msgspec.Raw = _ABSENT
    images: msgspec.Raw = _ABSENT

    def silent(self) -> bool:
        """Nothing is in it."""
        if len(self.content) > _LONGEST_NOTHING:
            return False
        told = (self.content, self.tool_calls, self.refusal, self.reasoning_content, self.reasoning)
        rest = (self.function_call, self.audio, self.images)
        return all(len(value) <= _LONGEST_NOTHING and bytes(value) in _NOTHING for value in (*told, *rest))


class _GlancedChoice(msgspec.Struct, gc=False):
    message: _GlancedMessage | None = None
    finish_reason: str | None = None
    usage: Any = None


class _Glanced(msgspec.Struct, gc=False):
    choices: list[_GlancedChoice]
    usage: Any = None


class _Tidy(msgspec.Struct, gc=False):
    """An answer whose usage has the usual shape: nearly all have."""

    choices: list[_GlancedChoice]
    usage: WireUsage


_glance = msgspec.json.Decoder(_Glanced).decode
_glance_tidy = msgspec.json.Decoder(_Tidy).decode


def glance(body: bytes) -> Glance:
    """Usage and silence of an answer, its words unread. Raises ValueError on what is not an answer."""
    try:
        tidy = _glance_tidy(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _glance_untidy(body)
    return _glanced(tidy.choices, counted(tidy.usage))


def _glance_untidy(body: bytes) -> Glance:
    try:
        seen = _glance(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a chat completion: {error}") from error
    usage = read_usage(seen.usage)
    for choice in seen.choices:
        usage = usage or read_usage(choice.usage)
    return _glanced(seen.choices, usage)


def _glanced(choices: list[_GlancedChoice], usage: Usage | None) -> Glance:
    empty = True
    for choice in choices:
        if choice.message is not None and not choice.message.silent():
            empty = False
            break
    return Glance(usage, empty, (choices[0].finish_reason or "") if choices else "")
