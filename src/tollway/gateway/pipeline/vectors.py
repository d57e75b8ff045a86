"""Puts the vectors of an answer into the form the caller asked for, before the books close."""

import asyncio
import re

import msgspec

from tollway.core.embedding import Vector
from tollway.core.errors import Fault, Remedy
from tollway.core.stream import Answer
from tollway.gateway.pipeline.call import Call
from tollway.gateway.routing.plan import Candidate

LARGE = 256 * 1024
"""Bytes of an answer above which its numbers are turned in a thread, one vector at a time, so that nobody waits."""
_FIRST = re.compile(rb'"embedding"\s*:\s*(["\[])')
_HEAD = 4096


async def fitted(data: bytes, answer: Answer | None, call: Call, candidate: Candidate) -> Answer | None:
    """The answer with one vector for each input, in the form that was asked for; None: `data` may pass as it came.

    An answer in the caller's own dialect passes through unread, unless its server has passed over the form (many do,
    and a client that asked for base64 takes a list for something else). Raises Fault for the next channel.
    """
    packed = call.envelope.options.get("encoding_format") == "base64"
    try:
        if answer is None:
            if not _is_otherwise(data, packed):
                return None
            answer = candidate.provider.dialect.read_reply(data)
        vectors, asked = answer.vectors, call.request().embedding
        if asked is None or len(vectors) != len(asked.inputs):
            raise ValueError(f"{len(vectors)} vectors")
        if len(data) > LARGE:
            vectors = await asyncio.to_thread(_formed, vectors, packed)
        else:
            vectors = _formed(vectors, packed)
    except ValueError as error:
        message = f"{candidate.channel.id}: the provider's answer could not be read"
        raise Fault(message, status=502, remedy=Remedy.NEXT_CHANNEL, code="bad_response_body") from error
    return msgspec.structs.replace(answer, vectors=vectors)


def _is_otherwise(data: bytes, packed: bool) -> bool:
    """Whether the first vector came as text where a list was asked for, or the other way round."""
    found = _FIRST.search(data, 0, _HEAD)
    return found is not None and (found[1] == b'"') is not packed


def _formed(vectors: tuple[Vector, ...], packed: bool) -> tuple[Vector, ...]:
    if packed:
        return tuple([Vector(packed=one.as_packed()) for one in vectors])
    return tuple([Vector(listed=one.as_listed()) for one in vectors])
