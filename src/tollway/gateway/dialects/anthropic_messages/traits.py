"""What each generation of Claude accepts, read from the model's name."""

import re

import msgspec

_NEW_ORDER = re.compile(r"(opus|sonnet|haiku|fable|mythos)[-.](\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?")
_OLD_ORDER = re.compile(r"claude-(\d)(?:[-.](\d))?-(opus|sonnet|haiku)")


class Traits(msgspec.Struct, frozen=True):
    """The rules of one model that a writer must know. The defaults are those of a model we do not know."""

    adaptive: bool = False
    """Thinking is steered by effort, not by a budget of tokens."""
    thinks_unasked: bool = False
    """Thinks unless told not to."""
    always_thinks: bool = False
    """Cannot be told not to."""
    hides_thoughts: bool = False
    """Returns thoughts only when `display` asks for them."""
    xhigh: bool = False
    """Knows the effort `xhigh`."""
    sampling: bool = True
    """Takes temperature, top_p and top_k."""
    both_dials: bool = True
    """Takes temperature and top_p together."""
    prefill: bool = True
    """Continues a last assistant turn."""
    structured: bool = False
    """Takes output_config.format and strict tools."""


def traits_of(model: str) -> Traits:
    """The traits of the model as the upstream names it."""
    name = model.lower()
    found = _NEW_ORDER.search(name)
    if found:
        line, version = found[1], (int(found[2]), int(found[3] or 0))
    else:
        found = _OLD_ORDER.search(name)
        if not found:
            return Traits()
        line, version = found[3], (int(found[1]), int(found[2] or 0))
    return Traits(
        adaptive=version >= (4, 6),
        thinks_unasked=version >= (5, 0),
        always_thinks=version >= (5, 5) or line in {"fable", "mythos"},
        hides_thoughts=version >= (4, 7),
        xhigh=version >= (4, 7),
        sampling=version < (4, 7),
        both_dials=version < (4, 1),
        prefill=version < (4, 6),
        structured=version >= (4, 5) or (line == "opus" and version >= (4, 1)),
    )
