"""Decides which vectors the echo model gives: no meaning is in them, only which words a text has.

Each word adds to one place of the vector, chosen by the word's digest, and the whole is brought to length 1: the same
text has the same vector everywhere and always, and texts that share words are nearer than those that do not. Good for
trying things out and for tests; no model has learnt anything. A token is a word. `[[error:STATUS]]` and `[[slow:MS]]`
in a text do what they do in a chat.
"""

import base64
import hashlib
import json
import math
import re
from array import array
from collections.abc import Sequence

import msgspec

from tollway.backends.memory.parrot import Refused, delay_of, refuse_if_told

DIMENSIONS = 256
MOST_DIMENSIONS = 4096
_WORD = re.compile(r"\w+")
_Tokens = list[int]


class _Question(msgspec.Struct):
    """The fields of an embedding request that count."""

    input: str | list[str | int | _Tokens]
    model: str = "echo-embedding"
    encoding_format: str | None = None
    dimensions: int | None = None


_decode = msgspec.json.Decoder(_Question).decode


def embed(body: bytes) -> tuple[bytes, float]:
    """The answer to an embedding request, in OpenAI's bytes, and the seconds it takes. Raises Refused."""
    try:
        question = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, "invalid_request", str(error)) from error
    size = DIMENSIONS if question.dimensions is None else question.dimensions
    if not 1 <= size <= MOST_DIMENSIONS:
        raise Refused(400, "invalid_request", f"Expected 1 to {MOST_DIMENSIONS} - at `$.dimensions`")
    texts = _texts(question.input)
    marks = "\n".join(text for text in texts if "[[" in text)
    refuse_if_told(marks)
    packed = question.encoding_format == "base64"
    rows = [
        {"object": "embedding", "index": at, "embedding": _packed(one) if packed else one}
        for at, one in enumerate(vector(text, size) for text in texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    told = {"object": "list", "data": rows, "model": question.model}
    return json.dumps({**told, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}).encode(), delay_of(marks)


def vector(text: str, size: int) -> list[float]:
    """The vector of a text: `size` numbers of length 1 together."""
    found = _WORD.findall(text.lower()) or [text]
    sums = [0.0] * size
    for word in found:
        digest = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest())
        sums[digest % size] += 1.0 if digest >> 63 else -1.0
    if not any(sums):  # words that undo each other
        sums[0] = 1.0
    length = math.sqrt(sum(value * value for value in sums))
    return [round(value / length, 7) for value in sums]


def _texts(given: str | Sequence[str | int | _Tokens]) -> list[str]:
    """One text for each vector; tokens count as words of their own."""
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(one, int) for one in given):
        return [" ".join(map(str, given))]
    return [
        one if isinstance(one, str) else " ".join(map(str, one if isinstance(one, list) else [one])) for one in given
    ]


def _packed(numbers: Sequence[float]) -> str:
    return base64.b64encode(array("f", numbers).tobytes()).decode()
