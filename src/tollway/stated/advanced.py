"""Checks the routes of an advanced custom channel: which path of ours leads to which path there (relay.md 3.8)."""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from tollway.core.shape import AdvancedRoute
from tollway.kit.sendable import bad_base_url, bad_header, is_sendable
from tollway.kit.toml import Place
from tollway.stated.wrong import Wrong

PROVIDER = "advanced_custom"
CHAT, MESSAGES = "openai_chat_completions", "anthropic_messages"
RESPONSES, GEMINI = "openai_responses", "gemini_generate_content"
SPEAKS = {CHAT: "openai", MESSAGES: "anthropic", RESPONSES: "openai_responses", GEMINI: "gemini"}
"""A format's name in converters → the provider whose words it is."""
INCOMING = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/v1/responses": RESPONSES,
    **{
        f"/{version}/models/{{model}}:{action}": GEMINI
        for version in ("v1beta", "v1")
        for action in ("generateContent", "streamGenerateContent")
    },
}
"""Paths that may be routed, and the format that is spoken there."""
CONVERTERS = {f"{one}_to_{other}": (one, other) for one in SPEAKS for other in SPEAKS if one != other}
PATTERN = "re:"
_ROOT: Place = ("advanced_routes",)


class RouteAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a route lets itself in, where it is not as the provider's format usually does."""

    type: Literal["none", "header", "query"]
    name: str = ""
    value: str = ""
    """May hold `{api_key}`."""


class RouteRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One route as it is stated."""

    incoming_path: str
    upstream_path: str
    """Below the channel's address, or a URL of its own; may hold `{model}`."""
    converter: str = "none"
    models: tuple[str, ...] = ()
    """Names, or patterns that begin with `re:`; none: every model of the channel."""
    auth: RouteAuth | None = None


def checked_routes(
    rows: Sequence[RouteRow], provider: str, enabled: bool, has_models: bool
) -> tuple[AdvancedRoute, ...]:
    """The routes of a channel. Raises Wrong naming the place."""
    if provider != PROVIDER:
        if rows:
            raise Wrong(_ROOT, f"are for channels of the provider {PROVIDER}")
        return ()
    if enabled and not rows:
        raise Wrong(_ROOT, "state at least one: without it the channel answers nothing")
    if enabled and not has_models:
        raise Wrong(("models",), "state the models that are served here")
    return tuple(_route(row, (*_ROOT, at)) for at, row in enumerate(rows))


def _route(row: RouteRow, place: Place) -> AdvancedRoute:
    spoken = INCOMING.get(row.incoming_path)
    if spoken is None:
        raise Wrong((*place, "incoming_path"), f"{row.incoming_path!r} is none of {', '.join(INCOMING)}")
    goal = spoken
    if row.converter not in ("", "none"):
        pair = CONVERTERS.get(row.converter)
        if pair is None:
            raise Wrong((*place, "converter"), f"{row.converter!r} is none of none, {', '.join(CONVERTERS)}")
        if pair[0] != spoken:
            raise Wrong((*place, "converter"), f"does not begin with {spoken}, which is spoken at {row.incoming_path}")
        goal = pair[1]
    _check_upstream(row.upstream_path, (*place, "upstream_path"))
    for at, name in enumerate(row.models):
        _check_model(name, (*place, "models", at))
    auth = row.auth
    if auth is not None:
        _check_auth(auth, (*place, "auth"))
    return AdvancedRoute(
        incoming=row.incoming_path,
        upstream=row.upstream_path,
        speaks=SPEAKS[goal],
        models=row.models,
        auth="usual" if auth is None else auth.type,
        name="" if auth is None else auth.name,
        value="" if auth is None else auth.value,
    )


def _check_upstream(path: str, place: Place) -> None:
    if not is_sendable(path) or " " in path or "#" in path:
        raise Wrong(place, "must be printable ASCII without spaces or a fragment")
    if path.startswith("/") and not path.startswith("//"):
        return
    problem = bad_base_url(path.partition("?")[0].replace("{model}", "m"))
    if problem:
        raise Wrong(place, "must be a path that begins with /, or an http(s):// URL without credentials")


def _check_model(name: str, place: Place) -> None:
    try:
        if not name.removeprefix(PATTERN):
            raise Wrong(place, "must not be empty")
        re.compile(name.removeprefix(PATTERN) if name.startswith(PATTERN) else "")
    except re.error as error:
        raise Wrong(place, f"is no regular expression: {error}") from error


def _check_auth(auth: RouteAuth, place: Place) -> None:
    if auth.type == "none":
        return
    for field in ("name", "value"):
        if not getattr(auth, field):
            raise Wrong((*place, field), f"{auth.type} needs it")
    problem = bad_header(auth.name, auth.value) if auth.type == "header" else ""
    if not problem and not is_sendable(auth.value):
        problem = "must be printable ASCII"
    if problem:
        raise Wrong((*place, "name"), problem)
