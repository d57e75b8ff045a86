"""An answer that came in one piece: the caller's bytes and what it consumed."""

import msgspec

from tollway.core.chat import Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import Fault, Remedy
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Finish
from tollway.gateway.dialect import Dialect, Glance, Voice
from tollway.gateway.metering.tokens import TextTally
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.prepare import Prepared
from tollway.gateway.pipeline.restore import Restore
from tollway.gateway.pipeline.said import NOT_COUNTED, Said
from tollway.gateway.routing.plan import Candidate
from tollway.kit.http1.wire import Inbound

_AT_LIMIT = frozenset({"length", "max_tokens", "MAX_TOKENS"})
"""What the dialects call the end of an answer that reached its limit."""


class WholeReply(msgspec.Struct):
    """What the books and the caller need of a whole answer. `answer` is None when it passed through unread."""

    candidate: Candidate
    data: bytes
    answer: Answer | None
    said: Said

    def body(self, call: Call, voice: Voice) -> bytes:
        """The caller's bytes."""
        answer, shape = self.answer, self.candidate.shape
        if answer is None:
            return self.data
        if shape is not None and shape.retelling is not None:
            answer = shape.retelling.answer(answer)
        return call.dialect.write_reply(answer, voice)

    def thoughts_and_tools(self) -> tuple[list[Reasoning], list[ToolCall]]:
        """What may carry seals that the caller's dialect cannot."""
        parts = [part for choice in self.answer.choices for part in choice.parts] if self.answer else []
        return (
            [part for part in parts if isinstance(part, Reasoning)],
            [part for part in parts if isinstance(part, ToolCall)],
        )


async def whole_body(candidate: Candidate, inbound: Inbound) -> bytes:
    """The bytes of a whole answer, also from a provider that only streams. Raises Fault, UpstreamError."""
    if candidate.provider.gather is None:
        return await inbound.read()
    gatherer = candidate.provider.gather()

    def on_data(data: bytes) -> None:
        if gatherer.feed(data):
            inbound.stop_pump()  # some servers linger behind their last word

    try:
        await inbound.pump(on_data)
        return gatherer.body()
    except ValueError as error:
        raise _unreadable(candidate) from error


def _unreadable(candidate: Candidate) -> Fault:
    message = f"{candidate.channel.id}: the provider's answer could not be read"
    return Fault(message, status=502, remedy=Remedy.NEXT_CHANNEL, code="bad_response_body")


def read_whole(candidate: Candidate, prepared: Prepared, data: bytes) -> WholeReply:
    """Read a provider's 200. Raises Fault (next channel: nothing was sent) when it is not an answer."""
    dialect = candidate.provider.dialect
    try:
        if not prepared.passthrough:
            answer = Restore(prepared.written).answer(dialect.read_reply(data))
            return _counted(candidate, data, answer, answer)
        glance = _glance(dialect, data)
        if glance.usage is not None and glance.usage.believable and not glance.empty:
            said = Said(glance.usage, True, NOT_COUNTED, 0, True, glance.finish in _AT_LIMIT)
            return WholeReply(candidate, data, None, said)
        return _counted(candidate, data, dialect.read_reply(data), None)
    except ValueError as error:
        raise _unreadable(candidate) from error


def _glance(dialect: Dialect, data: bytes) -> Glance:
    """What is not an answer at first sight is read in full: it may be an error, and say what went wrong."""
    try:
        return dialect.glance(data)
    except ValueError:
        return Glance(None, True)


def _counted(candidate: Candidate, data: bytes, read: Answer, shown: Answer | None) -> WholeReply:
    tally = TextTally()
    parts = [part for choice in read.choices for part in choice.parts]
    for part in parts:
        tally.add(_words(part))
    images = sum(isinstance(part, Media) and part.kind is MediaKind.IMAGE for part in parts)
    empty = not read.vectors and not any(_says(part) for part in parts)
    at_limit = any(choice.finish is Finish.LENGTH for choice in read.choices)
    usage = read.usage if read.usage is not None and read.usage.believable else None
    return WholeReply(candidate, data, shown, Said(usage, not empty, tally, images, True, at_limit))


def _words(part: Part) -> str:
    if isinstance(part, Text | Refusal | Reasoning):
        return part.text
    return part.name + part.args_json if isinstance(part, ToolCall) else ""


def _says(part: Part) -> bool:
    if isinstance(part, Text | Refusal):
        return bool(part.text)
    return not isinstance(part, Reasoning) or bool(part.text or part.redacted)
