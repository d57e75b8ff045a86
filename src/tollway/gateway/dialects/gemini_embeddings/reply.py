"""batchEmbedContents' answer: seen, understood, said."""

from typing import Any

import msgspec

from tollway.core.stream import Answer
from tollway.gateway.dialect import Glance, Voice
from tollway.gateway.gemini_family.vectors import WRONG, answer_of, refusal, usage_of, usage_told


class _Values(msgspec.Struct, gc=False):
    values: msgspec.Raw


class _Reply(msgspec.Struct):
    embeddings: list[_Values]
    usage: Any = msgspec.field(name="usageMetadata", default=None)


class _Glanced(msgspec.Struct, gc=False):
    embeddings: list[msgspec.Raw]
    usage: Any = msgspec.field(name="usageMetadata", default=None)


_read = msgspec.json.Decoder(_Reply).decode
_glance = msgspec.json.Decoder(_Glanced).decode
_encode = msgspec.json.Encoder().encode


def glance(body: bytes) -> Glance:
    """The usage of an answer, if Google told one, its vectors unread. Raises ValueError on what is not an answer."""
    try:
        told = _glance(body)
    except WRONG as error:
        raise ValueError(f"not a batch of vectors: {error}") from error
    return Glance(usage_of(told.usage), not told.embeddings)


def read_reply(body: bytes) -> Answer:
    """The vectors. Raises ValueError on what is not an answer, Fault on an error in a 200."""
    try:
        told = _read(body)
    except WRONG as error:
        raise refusal(body, error) from error
    return answer_of([one.values for one in told.embeddings], told.usage)


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """The batch as Google says it. Raises ValueError when a vector is none."""
    rows = [{"values": msgspec.Raw(vector.as_listed())} for vector in answer.vectors]
    return _encode({"embeddings": rows, **usage_told(answer)})
