"""The ways in which a mock can fail."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.mocks.exchange import MockRequest

GARBAGE = b"\x16\x03\x01\x02\x00 this is not HTTP \xff\xfe\r\n\r\n"
GARBAGE_INSIDE = b'data: {"choices": [{{{ \xff\xfe not json\n\n'


class Kind(enum.Enum):
    """How to fail."""

    REFUSE = "refuse"
    """The listening socket is closed at once, until `mend()`; `times` means nothing here."""
    CLOSE = "close"
    """Close the connection as soon as it is accepted (or, on a kept-alive one, when the request came)."""
    RESET = "reset"
    """RST before the first byte."""
    STATUS = "status"
    """Answer `status` in the vendor's own error body, with the fault's headers."""
    HANG = "hang"
    """Read the request, never answer."""
    HANG_AFTER = "hang_after"
    """Stop for ever after `after` pieces (of a sized body: after `after` bytes)."""
    CUT_AFTER = "cut_after"
    """FIN after `after` pieces, without the closing chunk."""
    RESET_AFTER = "reset_after"
    """RST after `after` pieces."""
    GARBAGE = "garbage"
    """Bytes that are not HTTP."""
    GARBAGE_INSIDE = "garbage_inside"
    """One piece of rubbish after `after` pieces, then the rest; of a sized body: rubbish for a body."""
    TRUNCATED = "truncated"
    """Half of the body with a length that agrees: broken JSON."""
    BYTE_BY_BYTE = "byte_by_byte"
    """Every byte of the answer in a write of its own."""
    DRIP = "drip"
    """Every piece after `seconds`."""
    WRONG_LENGTH = "wrong_length"
    """content-length says more than what comes before FIN."""


@dataclass
class Fault:
    """One failure; `when` chooses the requests it strikes (all, when None)."""

    kind: Kind
    after: int = 0
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.05
    when: Callable[[MockRequest], bool] | None = None
