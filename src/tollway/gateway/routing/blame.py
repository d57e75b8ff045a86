"""Whose fault a fault is: the caller's own never counts against a channel (relay.md 4.5, 4.6)."""

import enum

from tollway.core.errors import Fault, Remedy
from tollway.gateway.remedy import key_refused


class Blame(enum.Flag):
    """What a fault says of the channel."""

    NONE = 0
    """Nothing: the request was at fault."""
    FAILURE = enum.auto()
    """It does not work: 5xx, silence, a broken wire, rubbish."""
    LIMITED = enum.auto()
    """It has had enough for now: 429."""
    KEY = enum.auto()
    """Its key is refused or unpaid: 401, 402."""
    MODEL = enum.auto()
    """It does not give this model to this key, or not for this request: believed when several callers hear it."""
    WORDS = enum.auto()
    """Its message accuses the key in words that a caller may have provoked: believed when several callers hear it."""


_BY_STATUS = {
    401: Blame.KEY,
    402: Blame.KEY,
    403: Blame.MODEL,
    404: Blame.MODEL,
    408: Blame.FAILURE,
    429: Blame.LIMITED,
}
"""For those worth another channel; no other status below 500 is held against it."""


def blame_of(fault: Fault, keywords: tuple[str, ...]) -> Blame:
    """What `fault` says of the channel it comes from; `keywords` are in small letters."""
    status, blame = fault.status, Blame.NONE
    if fault.remedy is not Remedy.NONE:
        is_key = status == 400 and key_refused(fault.message, fault.code)
        blame = Blame.KEY if is_key else _BY_STATUS.get(status, Blame.NONE if 400 <= status < 500 else Blame.FAILURE)
    if blame is not Blame.KEY and 400 <= status < 500:
        message = fault.message.lower()
        if any(word in message for word in keywords):
            blame |= Blame.WORDS
    return blame
