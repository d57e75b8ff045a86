"""Checks the rules by which a conversation stays with the channel that has answered it before (relay.md 3.7)."""

import re
from typing import Annotated, Any, Literal

import msgspec

from tollway.core.shape import BodyOverride
from tollway.kit.toml import Place
from tollway.stated.overrides import checked_override
from tollway.stated.wrong import Wrong

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class KeySource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the value that names a conversation may be found."""

    type: Literal["context_int", "context_string", "request_header", "gjson"]
    key: str = ""
    """Name of a header, or of what is known of the call: `user_id`, `key_id`, `group`, `model` or `path`."""
    path: str = ""
    """Of `gjson`: a dotted path into the body."""


class AffinityRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule; the first that matches a call and finds a value decides."""

    name: str
    model_regex: tuple[str, ...] = ()
    """Any of them; none: every model."""
    path_regex: tuple[str, ...] = ()
    user_agent_include: tuple[str, ...] = ()
    key_sources: tuple[KeySource, ...]
    """Tried in order."""
    value_regex: str = ""
    """What a value must look like; empty: anything."""
    ttl_seconds: Positive | None = None
    param_override_template: dict[str, Any] = {}
    """Edits of every call the rule matches, as a channel's `param_override`."""
    skip_retry_on_failure: bool = False
    """No other channel is tried, but only where the conversation had a channel already."""
    include_using_group: bool = True
    include_model_name: bool = True
    include_rule_name: bool = True


_OWN_HEADERS = {
    "codex": ["originator", "session_id", "conversation_id", "user-agent", "x-codex-turn-metadata"],
    "claude": ["user-agent", "x-app", "anthropic-beta", "x-stainless-lang", "x-stainless-package-version"],
}


def _passing(tool: str) -> dict[str, Any]:
    return {"operations": [{"mode": "pass_headers", "value": _OWN_HEADERS[tool], "keep_origin": True}]}


USUAL_RULES = (
    AffinityRule(
        name="codex cli trace",
        model_regex=("^gpt-.*$",),
        path_regex=("/v1/responses",),
        key_sources=(KeySource(type="gjson", path="prompt_cache_key"),),
        param_override_template=_passing("codex"),
    ),
    AffinityRule(
        name="claude cli trace",
        model_regex=("^claude-.*$",),
        path_regex=("/v1/messages",),
        key_sources=(KeySource(type="gjson", path="metadata.user_id"),),
        param_override_template=_passing("claude"),
    ),
)
"""The command line tools that name their conversations; another channel is tried when theirs fails."""


class Affinity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[affinity]`: which conversations stay with a channel, and for how long."""

    enabled: bool = True
    switch_on_success: bool = True
    """A conversation that another channel has answered stays there."""
    keep_on_channel_disabled: bool = False
    """A channel that is switched off, or gone, gets its conversations back when it returns."""
    max_entries: AtLeastOne = 100_000
    default_ttl_s: Positive = 3600.0
    rules: tuple[AffinityRule, ...] = USUAL_RULES
    """Stated rules replace the usual two."""


def check_affinity(stated: Affinity) -> Affinity:
    """The same again. Raises Wrong naming the place."""
    for at, rule in enumerate(stated.rules):
        _check(rule, ("rules", at))
    return stated


def _check(rule: AffinityRule, place: Place) -> None:
    if not rule.name:
        raise Wrong((*place, "name"), "must not be empty")
    if not rule.key_sources:
        raise Wrong((*place, "key_sources"), "a rule needs somewhere to look for a value")
    for at, source in enumerate(rule.key_sources):
        needed = "path" if source.type == "gjson" else "key"
        if not getattr(source, needed):
            raise Wrong((*place, "key_sources", at, needed), f"{source.type} needs it")
    for name in ("model_regex", "path_regex"):
        for at, pattern in enumerate(getattr(rule, name)):
            _check_pattern(pattern, (*place, name, at))
    _check_pattern(rule.value_regex, (*place, "value_regex"))
    template_of(rule, place)


def template_of(rule: AffinityRule, place: Place = ()) -> BodyOverride | None:
    """The rule's edits. Raises Wrong."""
    try:
        return checked_override(rule.param_override_template)
    except Wrong as wrong:
        raise Wrong((*place, "param_override_template", *wrong.place[1:]), wrong.problem) from wrong


def _check_pattern(pattern: str, place: Place) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise Wrong(place, f"is no regular expression: {error}") from error
