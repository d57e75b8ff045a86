"""Local engines and when they are relieved: the rules an operator may set, with their defaults."""

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class EngineRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[engines]`: how local engines are watched."""

    poll_s: Positive = 1.0
    """Between two looks at an engine's own figures."""
    stale_s: Positive = 5.0
    """Figures older than this are not believed; then only our own calls count."""
    prefix_aware: bool = True
    """Of several engines that serve a model, the one is asked whose cache holds most of the prompt, unless others are
    so much less busy that they would answer earlier."""
    prefix_entries: AtLeastOne = 65_536
    """Pieces of prompts remembered, some 200 bytes each."""
    prefix_ttl_s: Positive = 600.0
    """How long an engine's cache is believed to be warm."""


class Relief(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[offload.models."<model>"]`: when its engines are relieved, and by whom; else as in `[offload]`."""

    to: str = ""
    """The model that answers instead; empty: the same model through its channels that are no local engines."""
    max_queue: AtLeastOne | None = None
    first_token_s: Positive | None = None


class OffloadRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[offload]`: local engines first, a remote model when they are too busy. Only for the models that are named."""

    max_queue: AtLeastOne = 4
    """An engine with so many requests waiting gets no more."""
    first_token_s: Positive = 2.0
    """An engine with a queue gets a call only if its first token may be expected within so many seconds."""
    models: dict[str, Relief] = {}

    def of(self, model: str) -> "Relief | None":
        """What holds for a model; None when it is never sent elsewhere."""
        own = self.models.get(model)
        if own is None:
            return None
        return Relief(
            to=own.to,
            max_queue=own.max_queue or self.max_queue,
            first_token_s=own.first_token_s or self.first_token_s,
        )
