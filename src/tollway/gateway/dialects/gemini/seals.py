"""The thoughtSignature slot: Google's own signatures as they are, other families' seals wrapped (relay.md 6.21).

Google's clients decode the slot as base64 bytes, so a wrapped seal is base64 around `relay1.…`. Its payload
is a JSON pair: signature and redacted thought.
"""

import base64
from typing import Any

import msgspec

from tollway.gateway.dialect import Opaque
from tollway.gateway.gemini_family.spelling import base64_text, text

FAMILY = "gemini"
WRAPPED = base64.b64encode(b"relay1.")[:8].decode()
"""How every wrapped seal begins."""


class Seal(msgspec.Struct, frozen=True):
    """A provider's opaque state: `family`'s signature, or its thought in encrypted form."""

    family: str
    signature: str | None = None
    redacted: str | None = None


def read_seal(value: Any, path: str, opaque: Opaque | None) -> Seal:
    """The seal in a thoughtSignature. Whatever we did not wrap ourselves is Google's own."""
    found = text(value, path)
    if opaque is not None and found.startswith(WRAPPED):
        opened = opaque.unseal(base64_text(found))
        if opened is not None:
            family, payload = opened
            signature, redacted = msgspec.json.decode(payload, type=tuple[str | None, str | None])
            return Seal(family, signature, redacted)
    return Seal(FAMILY, found)


def write_seal(seal: Seal, opaque: Opaque | None) -> str | None:
    """What goes into thoughtSignature; None when the seal is foreign and nothing can wrap it."""
    if seal.family == FAMILY:
        return seal.signature
    if opaque is None or (seal.signature is None and seal.redacted is None):
        return None
    payload = msgspec.json.encode((seal.signature, seal.redacted)).decode()
    return base64.b64encode(opaque.seal(seal.family, payload).encode()).decode()
