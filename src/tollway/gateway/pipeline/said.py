"""The word between whoever hears an answer and the books: what it said."""

import msgspec

from tollway.core.usage import Usage
from tollway.gateway.metering.tokens import TextTally


class Said(msgspec.Struct, frozen=True):
    """What an answer said, as the books see it."""

    usage: Usage | None
    spoken: bool
    tally: TextTally
    images: int = 0
    counted: bool = True
    """The provider came to its end: the usage it reported is that of the whole answer."""
    at_limit: bool = False
    """The answer ended because it had reached its limit."""


NOT_COUNTED = TextTally()
"""Of an answer that its provider counted: nobody adds to it."""
NOTHING_SAID = Said(None, False, NOT_COUNTED)
