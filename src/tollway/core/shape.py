"""What a channel changes in the calls that pass through it, as data: edits of bodies and of headers."""

from typing import Any

import msgspec


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question about the body, or about the call around it (relay.md 3.5)."""

    path: str
    mode: str = "full"
    """`full`, `prefix`, `suffix`, `contains`, `gt`, `gte`, `lt` or `lte`."""
    value: Any = None
    invert: bool = False
    pass_missing_key: bool = False
    """What is not there passes."""


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One edit of a body or of the headers that go with it; which fields it needs depends on its mode."""

    mode: str
    path: str = ""
    value: Any = None
    keep_origin: bool = False
    """What is already there stays."""
    from_: str = msgspec.field(default="", name="from")
    to: str = ""
    conditions: tuple[Condition, ...] = ()
    logic: str = "OR"
    """How the conditions go together: `OR` or `AND`."""


class BodyOverride(msgspec.Struct, frozen=True, kw_only=True):
    """Edits of every body that goes through a channel, in their order."""

    fields: dict[str, Any] = {}
    """Top-level fields that are set, whatever the caller said: the older, plain form."""
    operations: tuple[Operation, ...] = ()


class AdvancedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A path of ours that leads to a path of a channel's, for some models (relay.md 3.8)."""

    incoming: str
    """As a surface has it, `{model}` and all."""
    upstream: str
    """A path below the channel's address, or a URL; may hold `{model}`."""
    speaks: str
    """The provider whose words are spoken there."""
    models: tuple[str, ...] = ()
    """Names, or patterns that begin with `re:`; none: all."""
    auth: str = "usual"
    """`usual` (as that provider is let in), `none`, `header` or `query`."""
    name: str = ""
    value: str = ""
    """What the header or the query's field of that name says; may hold `{api_key}`."""

    def __repr__(self) -> str:
        """Without the credential."""
        return f"AdvancedRoute({self.incoming!r} -> {self.speaks})"
