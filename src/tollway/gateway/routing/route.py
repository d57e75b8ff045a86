"""The way a single call is routed, where its caller or its key states one."""

from collections.abc import Sequence
from typing import NamedTuple

from tollway.core.caller import Caller, Scope
from tollway.core.errors import BadRequest, Forbidden
from tollway.gateway.routing.chain import chain_of
from tollway.gateway.routing.question import Question
from tollway.gateway.routing.strategy import Strategy

HEADER = b"x-tollway-route"
CHANNEL_HEADER = b"x-channel-id"
PIN = "channel:"


class Route(NamedTuple):
    """What was stated: strategies, or a channel."""

    chain: Sequence[Strategy]
    channel: str = ""
    """The only channel that may answer; empty: any."""
    field: str = HEADER.decode()
    """Where it was stated."""


def route_of(asked: Question) -> Route | None:
    """The route the request states, else its key's; None when neither states any.

    Raises BadRequest for a strategy there is not, Forbidden when a caller who does not administer pins a channel.
    """
    heard = asked.heard
    said = heard.get(HEADER)
    if said is not None:
        return stated_route(said.decode("latin-1").strip(), asked.caller)
    pin = heard.get(CHANNEL_HEADER)
    if pin is not None:
        return stated_route(PIN + pin.decode("latin-1").strip(), asked.caller, "x-channel-id")
    usual = asked.caller.limits.route
    return None if usual is None else stated_route(usual, asked.caller, "route of this key")


def stated_route(stated: str, caller: Caller, field: str = "x-tollway-route") -> Route:
    """A route as it is written: strategies with commas between, or `channel:<id>`. Raises as `route_of`."""
    if stated.startswith(PIN):
        if caller.scope is not Scope.ADMIN:
            raise Forbidden("only a key that administers may choose a channel", field=field)
        channel = stated.removeprefix(PIN).strip()
        if not channel:
            raise BadRequest(f"{field}: names no channel", field=field)
        return Route((), channel, field)
    try:
        return Route(chain_of(stated))
    except ValueError as error:
        raise BadRequest(f"{field}: {error}", field=field) from error
