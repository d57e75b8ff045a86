"""How calls are spread over channels: the rules an operator may set, with their defaults."""

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class RoutingRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[routing]`: the strategy of models that state none, and what strategies go by."""

    strategy: str = "weighted"
    """One strategy or several, as in `prefix_affinity,cheapest`: each decides what those before it left open."""
    tiers: bool = True
    """A strategy orders channels of one priority; a lower priority comes only when a higher one is exhausted. `false`:
    all channels of a model are ordered together (those of weight 0 still come last)."""
    affinity_ttl_s: Positive = 600.0
    """How long a provider's prompt cache is believed to be warm."""
    affinity_entries: Count = 100_000
    """Conversations and prompt prefixes remembered at once; 0: none."""
    usual_output: Annotated[int, msgspec.Meta(ge=1)] = 500
    """Output tokens that `cheapest` reckons with where the request states no lower limit."""
    remeasure_s: Positive = 60.0
    """A channel that `least_latency` has not chosen for so long gets a turn."""
    auto: dict[str, tuple[str, str, str]] = {}
    """The models that requests without a model get: for each kind the one for simple, medium and complex questions.
    Several, the preferred one first, have commas between; kinds that are not stated stay as they are."""


USUAL_ROUTING = RoutingRules()
