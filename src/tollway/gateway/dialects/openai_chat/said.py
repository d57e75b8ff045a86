"""What one alternative answer has said so far, its tool calls put together piece by piece."""

from typing import Any

import msgspec

from tollway.core.chat import ToolKind
from tollway.core.stream import StreamEvent, ToolArgs, ToolEnd, ToolStart
from tollway.gateway.dialects.openai_chat.chunks import CallDelta, ToolDelta

_dump = msgspec.json.Encoder().encode


class Said:
    """One alternative answer."""

    __slots__ = ("choice", "finished", "ids", "slots", "started")

    def __init__(self, choice: int) -> None:
        self.choice = choice
        self.finished = False
        self.slots: dict[int, int] = {}
        """The upstream's index → our slot."""
        self.ids: dict[int, str] = {}
        """The upstream's index → id of the call there now."""
        self.started = 0

    def tool(self, piece: ToolDelta, events: list[StreamEvent]) -> None:
        """A piece of a call; a new id at a known index is a new call (some servers number every call 0)."""
        said = piece.function or piece.custom or CallDelta()
        index = piece.index if piece.index is not None else self._place(piece.id)
        fresh = index not in self.slots or bool(piece.id and said.name and self.ids[index] not in ("", piece.id))
        if fresh:
            kind = ToolKind.CUSTOM if piece.custom is not None else ToolKind.FUNCTION
            signature = _google_signature(piece.extra_content)
            self.slots[index], self.ids[index] = self.started, piece.id or ""
            self.started += 1
            call_id = piece.id or f"call_{self.choice}_{self.slots[index]}"
            family = "gemini" if signature else None
            events.append(ToolStart(self.slots[index], call_id, said.name or "", kind, signature, family, self.choice))
        fragment = said.input if said.arguments is None else said.arguments
        if fragment:
            words = fragment if isinstance(fragment, str) else _dump(fragment).decode()
            events.append(ToolArgs(self.slots[index], words, self.choice))

    def _place(self, call_id: str | None) -> int:
        """Where a piece without an index belongs: to its id, to a new call, or to the last one."""
        if call_id:
            return next((index for index, known in self.ids.items() if known == call_id), len(self.ids))
        return next(reversed(self.slots), 0)

    def close(self, events: list[StreamEvent]) -> None:
        """End every call that is still open."""
        if not self.finished:
            events += [ToolEnd(slot, self.choice) for slot in range(self.started)]


def _google_signature(extra: Any) -> str | None:
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None
