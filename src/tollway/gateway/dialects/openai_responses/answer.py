"""A whole answer written as a response."""

from typing import Any

import msgspec

from tollway.core.chat import Part, Raw, Reasoning, Refusal, Text, ToolCall, ToolKind
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice, Finish
from tollway.gateway.dialect import Voice
from tollway.gateway.dialects.openai_responses.events import call, message, picture, thought
from tollway.gateway.dialects.openai_responses.parts import RAW, write_output
from tollway.gateway.dialects.openai_responses.seals import seal_of, wrapped
from tollway.gateway.dialects.openai_responses.shell import Shell, status_of
from tollway.gateway.openai_family.media import link_of

Item = dict[str, Any]
_encode = msgspec.json.Encoder().encode


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """The whole answer as the vendor writes it."""
    choice = answer.choices[0] if answer.choices else Choice((), Finish.STOP)
    shell = Shell(voice, answer.id)
    output = _Output(shell, voice)
    for part in choice.parts:
        output.add(part)
    return _encode(shell.ended(choice.finish, output.closed(status_of(choice.finish)), answer.usage))


class _Output:
    """The items of an answer; words that follow each other are one message."""

    def __init__(self, shell: Shell, voice: Voice) -> None:
        self._shell, self._voice = shell, voice
        self._items: list[Item] = []
        self._content: list[Item] = []

    def add(self, part: Part) -> None:
        """The next part."""
        if isinstance(part, Text | Refusal | Media) and not is_picture(part):
            self._words(part)
            return
        self._close("completed")
        if isinstance(part, Reasoning):
            self._thought(part)
        elif isinstance(part, ToolCall):
            self._call(part)
        elif isinstance(part, Media):
            self._items.append(picture(self._name("ig"), part.mime, part.data or ""))
        elif isinstance(part, Raw) and part.family == RAW and isinstance(part.value, dict):
            self._items.append(part.value)

    def _words(self, part: Text | Refusal | Media) -> None:
        said = Text(said_as_text(part)) if isinstance(part, Media) else part
        seal = seal_of(said, self._voice.opaque) if isinstance(said, Text) else ""
        if seal:
            self._close("completed")
            self._items.append(thought(self._name("rs"), "", seal))
        if said.text:
            self._content.append(write_output(said))

    def _thought(self, part: Reasoning) -> None:
        sealed = wrapped(part, self._voice.opaque)
        encrypted, item_id = sealed if sealed is not None else (None, None)
        if part.text or encrypted:
            self._items.append(thought(item_id or self._name("rs"), part.text, encrypted))

    def _call(self, part: ToolCall) -> None:
        if part.kind is ToolKind.SERVER:
            return
        seal = seal_of(part, self._voice.opaque)
        if seal:
            self._items.append(thought(self._name("rs"), "", seal))
        custom = part.kind is ToolKind.CUSTOM
        words = part.args_json or ("" if custom else "{}")
        name = self._name("ctc" if custom else "fc")
        said = (part.id or self._name("call"), self._shell.named(part.name), words)
        self._items.append(call(name, said, "completed", custom=custom))

    def _name(self, kind: str) -> str:
        return self._shell.item_id(kind, len(self._items))

    def _close(self, status: str) -> None:
        if self._content:
            self._items.append(message(self._name("msg"), self._content, status))
            self._content = []

    def closed(self, status: str) -> list[Item]:
        """All items; an answer that says nothing is an empty message."""
        self._close(status)
        return self._items or [message(self._name("msg"), [write_output(Text(""))], status)]


def is_picture(part: Part) -> bool:
    """Whether it can be told as a picture."""
    return isinstance(part, Media) and part.kind is MediaKind.IMAGE and part.data is not None


def said_as_text(media: Media) -> str:
    """A sound, or a picture that is only linked, as words: a response has no item for it."""
    if media.transcript or media.text:
        return media.transcript or media.text or ""
    if media.kind is MediaKind.IMAGE:
        return f"![image]({link_of(media)})"
    return f"[{media.kind.value}]({media.url})" if media.url else ""
