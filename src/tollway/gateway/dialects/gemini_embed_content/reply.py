"""embedContent's answer: seen, understood, said."""

from typing import Any

import msgspec

from tollway.core.stream import Answer
from tollway.gateway.dialect import Glance, Voice
from tollway.gateway.gemini_family.vectors import WRONG, answer_of, refusal, usage_of, usage_told


class _Values(msgspec.Struct, gc=False):
    values: msgspec.Raw


class _Reply(msgspec.Struct):
    embedding: _Values
    usage: Any = msgspec.field(name="usageMetadata", default=None)


_read = msgspec.json.Decoder(_Reply).decode
_encode = msgspec.json.Encoder().encode


def glance(body: bytes) -> Glance:
    """The usage of an answer, if Google told one. Raises ValueError on what is not an answer."""
    try:
        return Glance(usage_of(_read(body).usage), False)
    except WRONG as error:
        raise ValueError(f"not a vector: {error}") from error


def read_reply(body: bytes) -> Answer:
    """The vector. Raises ValueError on what is not an answer, Fault on an error in a 200."""
    try:
        told = _read(body)
    except WRONG as error:
        raise refusal(body, error) from error
    return answer_of([told.embedding.values], told.usage)


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """The vector as Google says it. Raises ValueError when it is none, or not one."""
    if len(answer.vectors) != 1:
        raise ValueError(f"{len(answer.vectors)} vectors for one content")
    return _encode({"embedding": {"values": msgspec.Raw(answer.vectors[0].as_listed())}, **usage_told(answer)})
