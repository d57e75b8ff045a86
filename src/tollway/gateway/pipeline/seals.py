"""Remembers seals (thought signatures) for callers whose dialect has no slot for them (relay.md 6.21b)."""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from tollway.core.chat import ChatRequest, Message, Part, Reasoning, Role, ToolCall
from tollway.core.ids import KeyId

KEEP_S = 3600.0
KEEP_MAX = 10_000
SEAL_MAX = 64 * 1024
"""Characters of one call's seals and thoughts."""
KEEP_CHARACTERS = 32 * 1024 * 1024
"""Of all that is kept."""


class _Kept(msgspec.Struct, frozen=True):
    until_s: float
    signature: str | None
    family: str | None
    thoughts: tuple[Reasoning, ...]
    size: int


class Seals:
    """By (API key, tool call id): the call's own signature and the thoughts that led to it. Bounded and short-lived."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._kept: OrderedDict[tuple[KeyId, str], _Kept] = OrderedDict()
        self._size = 0

    def keep(self, key: KeyId, call: ToolCall, thoughts: tuple[Reasoning, ...]) -> None:
        """Remember what came with a tool call, if anything did."""
        sealed = tuple(one for one in thoughts if one.signature or one.redacted)
        size = len(call.id) + len(call.signature or "")
        size += sum(len(one.text) + len(one.signature or "") + len(one.redacted or "") for one in sealed)
        if not (call.signature or sealed) or size > SEAL_MAX:
            return
        self._drop((key, call.id))
        self._kept[key, call.id] = _Kept(self._now_s() + KEEP_S, call.signature, call.family, sealed, size)
        self._size += size
        while len(self._kept) > KEEP_MAX or self._size > KEEP_CHARACTERS or self._oldest.until_s <= self._now_s():
            self._drop(next(iter(self._kept)))

    @property
    def _oldest(self) -> _Kept:
        return self._kept[next(iter(self._kept))]

    def _drop(self, name: tuple[KeyId, str]) -> None:
        gone = self._kept.pop(name, None)
        self._size -= gone.size if gone is not None else 0

    def recall(self, key: KeyId, request: ChatRequest) -> ChatRequest:
        """The request with the seals its caller could not send back."""
        if not self._kept:
            return request
        messages = tuple(self._restored(key, message) for message in request.messages)
        return msgspec.structs.replace(request, messages=messages)

    def _restored(self, key: KeyId, message: Message) -> Message:
        if message.role is not Role.ASSISTANT:
            return message
        thoughts: tuple[Reasoning, ...] = ()
        parts: list[Part] = []
        for part in message.parts:
            kept = self._find(key, part) if isinstance(part, ToolCall) else None
            if kept is None or not isinstance(part, ToolCall):
                parts.append(part)
                continue
            thoughts = thoughts or kept.thoughts
            signature, family = part.signature or kept.signature, part.family or kept.family
            parts.append(msgspec.structs.replace(part, signature=signature, family=family))
        if thoughts and not any(isinstance(part, Reasoning) and (part.signature or part.redacted) for part in parts):
            parts = [*thoughts, *(part for part in parts if not isinstance(part, Reasoning))]
        return msgspec.structs.replace(message, parts=tuple(parts))

    def _find(self, key: KeyId, call: ToolCall) -> _Kept | None:
        kept = self._kept.get((key, call.id))
        return kept if kept is not None and kept.until_s > self._now_s() else None
