"""Words for how hard to think, and which of them a model of the family knows (relay.md 6.17)."""

import re

from tollway.core.chat import Effort

EFFORTS = {effort.value: effort for effort in Effort}
_O_SERIES = re.compile(r"(?:.*/)?o\d")
_FIRST_GPT_5 = re.compile(r"(?:.*/)?gpt-5(?:$|-)")
_O_WORDS = {Effort.NONE: "low", Effort.MINIMAL: "low", Effort.XHIGH: "high", Effort.MAX: "high"}
_GPT_5_WORDS = {Effort.NONE: "minimal", Effort.XHIGH: "high", Effort.MAX: "high"}


def effort_of_budget(budget: int) -> Effort:
    """The word for a number of reasoning tokens, by the cross map."""
    if budget <= 0:
        return Effort.NONE
    steps = ((1024, Effort.MINIMAL), (4096, Effort.LOW), (12288, Effort.MEDIUM))
    return next((effort for most, effort in steps if budget <= most), Effort.HIGH)


def effort_word(effort: Effort, model: str) -> str:
    """The nearest word the model knows: o-series know low to high, the first gpt-5 also minimal."""
    known: dict[Effort, str] = {}
    if _O_SERIES.match(model):
        known = _O_WORDS
    elif _FIRST_GPT_5.match(model):
        known = _GPT_5_WORDS
    return known.get(effort) or ("xhigh" if effort is Effort.MAX else effort.value)
