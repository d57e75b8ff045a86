"""OpenAI's list of vectors: seen, understood, said."""

from typing import Any

import msgspec

from tollway.core.embedding import Vector
from tollway.core.stream import Answer
from tollway.core.usage import Usage
from tollway.gateway.dialect import Glance, Voice
from tollway.gateway.dialects.openai_embeddings.request import BASE64
from tollway.gateway.openai_family.error import read_fault

LARGE = 64 * 1024
"""Bytes of an answer above which its usage is looked for at its end only."""
_TAIL = 1024
_HEAD = 4096


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | float | None = None
    total_tokens: int | float | None = None


class _Row(msgspec.Struct, gc=False):
    embedding: msgspec.Raw
    index: int | None = None


class _Reply(msgspec.Struct):
    data: list[_Row]
    model: str = ""
    id: str = ""
    usage: Any = None


class _Glanced(msgspec.Struct, gc=False):
    data: list[msgspec.Raw]
    usage: Any = None


class _Tail(msgspec.Struct, gc=False):
    usage: _Usage


_read = msgspec.json.Decoder(_Reply).decode
_glance = msgspec.json.Decoder(_Glanced).decode
_tail = msgspec.json.Decoder(_Tail).decode
_encode = msgspec.json.Encoder().encode
_string = msgspec.json.Decoder(str).decode


def glance(body: bytes) -> Glance:
    """The usage of an answer, its vectors unread: of a large one only the ends are looked at, whatever its size.

    Raises ValueError on what is not an answer.
    """
    if len(body) > LARGE and b'"embedding"' in body[:_HEAD]:
        seen = _usage_at_the_end(body)
        if seen is not None:
            return Glance(seen, False)
    try:
        told = _glance(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a list of vectors: {error}") from error
    return Glance(_usage(told.usage), not told.data)


def _usage_at_the_end(body: bytes) -> Usage | None:
    at = body.rfind(b'"usage"', len(body) - _TAIL)
    if at < 0:
        return None
    try:
        return _counted(_tail(b"{" + body[at:]).usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _usage(told: Any) -> Usage | None:
    try:
        return _counted(msgspec.convert(told, _Usage))
    except msgspec.ValidationError:
        return None


def _counted(told: _Usage) -> Usage | None:
    """The count; None where nothing was counted: some servers say 0 whatever they were asked."""
    tokens = told.prompt_tokens or told.total_tokens
    return Usage(input_total=int(tokens)) if tokens else None


def read_reply(body: bytes) -> Answer:
    """The vectors in the order of their inputs. Raises ValueError on what is not an answer, Fault on an error."""
    try:
        told = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fault = read_fault(body)
        if fault is not None:
            raise fault from error
        raise ValueError(f"not a list of vectors: {error}") from error
    rows = told.data
    if all(row.index is not None for row in rows):
        rows = sorted(rows, key=lambda row: row.index or 0)
    return Answer(told.id, told.model, (), _usage(told.usage), tuple([_vector(row.embedding) for row in rows]))


def _vector(span: msgspec.Raw) -> Vector:
    first = bytes(memoryview(span)[:1])
    if first == b'"':
        return Vector(packed=_string(span))
    if first != b"[":
        raise ValueError("not a vector")
    return Vector(listed=bytes(span))


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """The list as OpenAI says it. Raises ValueError when a vector is none."""
    packed = voice.options.get("encoding_format") == BASE64
    usage = answer.usage or Usage()
    told = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": _form(vector, packed)}
            for at, vector in enumerate(answer.vectors)
        ],
        "model": voice.model,
        "usage": {"prompt_tokens": usage.input_total, "total_tokens": usage.input_total},
    }
    return _encode(told)


def _form(vector: Vector, packed: bool) -> str | msgspec.Raw:
    return vector.as_packed() if packed else msgspec.Raw(vector.as_listed())
