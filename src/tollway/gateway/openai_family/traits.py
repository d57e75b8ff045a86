"""What the vendor's generations of models take and refuse."""

import re
from functools import lru_cache
from typing import NamedTuple

_O_SERIES = re.compile(r"o\d")
_GPT_5 = re.compile(r"gpt-5(?!-chat)")
_NO_DEVELOPER = ("o1-mini", "o1-preview")


class Traits(NamedTuple):
    """One model's."""

    is_o: bool
    is_gpt_5: bool
    knows_developer: bool

    @property
    def reasons(self) -> bool:
        """It thinks before it speaks, and has no dials for dice while it does."""
        return self.is_o or self.is_gpt_5


@lru_cache(1024)
def traits_of(model: str) -> Traits:
    """The traits of a model, told by its name."""
    return Traits(bool(_O_SERIES.match(model)), bool(_GPT_5.match(model)), not model.startswith(_NO_DEVELOPER))
