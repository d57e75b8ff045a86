"""Undoes, in the answer, what had to be done to the question: renamed tools, forced JSON tools, prefilled text."""

import msgspec

from tollway.core.chat import Part, Text, ToolCall
from tollway.core.stream import Answer, Choice, Finish, Finished, StreamEvent, TextDelta, ToolArgs, ToolEnd, ToolStart
from tollway.gateway.dialect import Written


class Restore:
    """One per answer that crossed dialects."""

    __slots__ = ("_prefill", "_renamed", "_unwrap", "_unwrapped")

    def __init__(self, written: Written) -> None:
        self._renamed = written.renamed
        self._unwrap = written.unwrap_tool
        self._unwrapped: set[tuple[int, int]] = set()
        self._prefill = written.prefill

    @property
    def idle(self) -> bool:
        """Whether there is nothing to undo."""
        return not (self._renamed or self._unwrap or self._prefill)

    def event(self, event: StreamEvent) -> StreamEvent | None:
        """The event as the caller should see it; None when there is nothing to see."""
        if isinstance(event, TextDelta) and self._prefill and event.choice == 0:
            event, self._prefill = TextDelta(self._prefill + event.text), ""
        elif isinstance(event, ToolStart):
            return self._tool_start(event)
        elif isinstance(event, ToolArgs) and (event.choice, event.slot) in self._unwrapped:
            return TextDelta(event.fragment, event.choice)
        elif isinstance(event, ToolEnd) and (event.choice, event.slot) in self._unwrapped:
            return None
        elif isinstance(event, Finished) and event.reason is Finish.TOOL_CALLS and self._unwrapped:
            return Finished(Finish.STOP, None, event.choice)
        return event

    def _tool_start(self, event: ToolStart) -> StreamEvent | None:
        if event.name == self._unwrap:
            self._unwrapped.add((event.choice, event.slot))
            return None
        name = self._renamed.get(event.name)
        return event if name is None else msgspec.structs.replace(event, name=name)

    def answer(self, answer: Answer) -> Answer:
        """The whole answer as the caller should see it."""
        return msgspec.structs.replace(answer, choices=tuple(self._choice(choice) for choice in answer.choices))

    def _choice(self, choice: Choice) -> Choice:
        parts = [self._part(part) for part in choice.parts]
        if self._prefill:
            first = next((i for i, part in enumerate(parts) if isinstance(part, Text)), None)
            if first is not None and isinstance(text := parts[first], Text):
                parts[first] = msgspec.structs.replace(text, text=self._prefill + text.text)
        unwrapped = any(isinstance(part, ToolCall) and part.name == self._unwrap for part in choice.parts)
        finish = Finish.STOP if unwrapped and choice.finish is Finish.TOOL_CALLS else choice.finish
        return msgspec.structs.replace(choice, parts=tuple(parts), finish=finish)

    def _part(self, part: Part) -> Part:
        if not isinstance(part, ToolCall):
            return part
        if part.name == self._unwrap:
            return Text(part.args_json)
        name = self._renamed.get(part.name)
        return part if name is None else msgspec.structs.replace(part, name=name)
