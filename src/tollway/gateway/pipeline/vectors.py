"""Sees to the vectors of an answer, and to their count, before the books close."""

import asyncio
import re
from typing import NamedTuple

import msgspec

from tollway.core.embedding import Vector
from tollway.core.errors import BadRequest, Fault, Remedy
from tollway.core.model import Model
from tollway.core.stream import Answer
from tollway.core.usage import Usage, UsageSource
from tollway.gateway.metering.inputs import count_inputs
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.weigh import BYTES_PER_TOKEN
from tollway.gateway.routing.plan import Candidate

LARGE = 256 * 1024
"""Bytes of an answer above which its numbers are turned in a thread, one vector at a time, so that nobody waits."""
LARGEST_READ = 16 << 20
"""Bytes above which what was to be embedded is not read for the sake of its count."""
_FIRST = re.compile(rb'"embedding"\s*:\s*(["\[])')
_HEAD = 4096


class Fitted(NamedTuple):
    """What becomes of an answer with vectors."""

    answer: Answer | None
    """What is told the caller; None: the provider's bytes as they came."""
    usage: Usage
    """What is charged: the provider's count, or ours where it gave none."""


async def fitted(data: bytes, answer: Answer | None, usage: Usage | None, call: Call, candidate: Candidate) -> Fitted:
    """The answer with one vector for each input, in the form that was asked for, and its count.

    An answer in the caller's own dialect passes through unread, unless its server has passed over the form (many do,
    and a client that asked for base64 takes a list for something else). Raises Fault for the next channel.
    """
    packed = call.envelope.options.get("encoding_format") == "base64"
    try:
        if answer is None and _is_otherwise(data, packed):
            answer = candidate.provider.dialect.read_reply(data)
        if answer is not None:
            answer = await _in_form(data, answer, call, packed)
    except ValueError as error:
        message = f"{candidate.channel.id}: the provider's answer could not be read"
        raise Fault(message, status=502, remedy=Remedy.NEXT_CHANNEL, code="bad_response_body") from error
    if usage is None:
        usage = await _count(call, candidate.model)
    return Fitted(msgspec.structs.replace(answer, usage=usage) if answer is not None else None, usage)


async def _in_form(data: bytes, answer: Answer, call: Call, packed: bool) -> Answer:
    vectors, asked = answer.vectors, call.request().embedding
    if asked is None or len(vectors) != len(asked.inputs):
        raise ValueError(f"{len(vectors)} vectors")
    formed = await asyncio.to_thread(_formed, vectors, packed) if len(data) > LARGE else _formed(vectors, packed)
    return msgspec.structs.replace(answer, vectors=formed)


async def _count(call: Call, model: Model) -> Usage:
    """Our own count, in a thread: a table may have to load."""

    def work() -> int:
        asked = call.request().embedding if call.size <= LARGEST_READ else None
        return call.size // BYTES_PER_TOKEN if asked is None else count_inputs(asked, model)

    try:
        tokens = await asyncio.to_thread(work)
    except BadRequest:  # it passed through: the provider understood what we do not
        tokens = call.size // BYTES_PER_TOKEN
    return Usage(input_total=tokens, source=UsageSource.ESTIMATE)


def _is_otherwise(data: bytes, packed: bool) -> bool:
    """Whether the first vector came as text where a list was asked for, or the other way round."""
    found = _FIRST.search(data, 0, _HEAD)
    return found is not None and (found[1] == b'"') is not packed


def _formed(vectors: tuple[Vector, ...], packed: bool) -> tuple[Vector, ...]:
    if packed:
        return tuple([Vector(packed=one.as_packed()) for one in vectors])
    return tuple([Vector(listed=one.as_listed()) for one in vectors])
