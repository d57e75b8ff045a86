"""The canonical words of embedding: what is to be turned into vectors, and the vectors."""

import base64
import math
import sys
from array import array
from typing import Any

import msgspec

_numbers = msgspec.json.Decoder(list[float]).decode
_encode = msgspec.json.Encoder().encode
_BYTES_EACH = 4


class Foreign(msgspec.Struct, frozen=True):
    """An input only one provider family understands (a picture to be embedded); anywhere else it is refused aloud."""

    family: str
    value: Any


Input = str | tuple[int, ...] | Foreign
"""A text, a text as numbers of its tokens (in the vocabulary of the asked model), or what we cannot read."""


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be turned into vectors, one for each input."""

    inputs: tuple[Input, ...]
    dimensions: int | None = None
    """How many numbers each vector should have; None: as many as the model usually gives."""
    task: str | None = None
    """What the vectors are for, in Gemini's words (`RETRIEVAL_QUERY`)."""
    title: str | None = None
    """Of the document that the inputs come from."""


class Vector(msgspec.Struct, frozen=True):
    """The vector of one input, in the form it came in: exactly one of the two is set."""

    listed: bytes | None = None
    """JSON text of a list of numbers."""
    packed: str | None = None
    """Little-endian 32-bit floats as base64 text."""

    def as_listed(self) -> bytes:
        """As JSON text. Raises ValueError when it holds something else than numbers."""
        if self.listed is not None:
            return self.listed
        data = base64.b64decode(self.packed or "", validate=True)
        if not data or len(data) % _BYTES_EACH:
            raise ValueError("the vector is cut short")
        numbers = _turned(array("f", data)).tolist()
        if not all(map(math.isfinite, numbers)):
            raise ValueError("the vector holds something that is no number")
        return _encode(numbers)

    def as_packed(self) -> str:
        """As base64 text. Raises ValueError when it holds something else than numbers."""
        if self.packed is not None:
            return self.packed
        numbers = _numbers(self.listed or b"")  # its errors are ValueErrors
        if not numbers:
            raise ValueError("the vector is empty")
        return base64.b64encode(_turned(array("f", numbers)).tobytes()).decode()


def _turned(numbers: "array[float]") -> "array[float]":
    """Little-endian for others, whatever this machine's own order is; or the other way round."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
