"""Assembles the control plane: every room's routes as one ASGI app behind one gate."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import tollway
from tollway.core.caller import Caller
from tollway.core.errors import BadRequest, Internal, MethodNotAllowed, NotFound, TollwayError, Unauthenticated
from tollway.gateway.admin import (
    channels,
    envelope,
    groups,
    lists,
    organisations,
    prices,
    routes,
    routing,
    unbuilt,
    usage,
)
from tollway.gateway.admin.channel_desk import ChannelDesk
from tollway.gateway.admin.platform import Platform
from tollway.gateway.admin.routing import RouteDesk
from tollway.gateway.admin.usage_me import UsageMe
from tollway.gateway.admin.users import Users
from tollway.gateway.auth import routes as auth_routes
from tollway.gateway.auth.api_keys import ApiKeys
from tollway.gateway.auth.organisations import Organisations
from tollway.gateway.billing import routes as billing_routes
from tollway.gateway.billing.referrals import Referrals
from tollway.gateway.billing.refunds import Refunds
from tollway.gateway.billing.spending import Spending
from tollway.gateway.billing.subscriptions import Subscriptions
from tollway.gateway.billing.vouchers import Vouchers
from tollway.gateway.cards.shelf import Shelf
from tollway.gateway.cards.updates import PriceUpdates
from tollway.gateway.catalog import Catalog
from tollway.gateway.channels.groups import GroupBook
from tollway.gateway.ledger import routes as ledger_routes
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.limits.rate import RateLimiter
from tollway.ports import Clock, Database


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms the control plane opens onto."""

    database: Database
    users: Users
    keys: ApiKeys
    subscriptions: Subscriptions
    ledger: Ledger
    limiter: RateLimiter
    clock: Clock
    catalog: Callable[[], Catalog]
    """What is on sale now."""
    listed: Catalog
    """What the files sell, without any price card."""
    channels: ChannelDesk
    routing: RouteDesk
    writers: Mapping[str, envelope.WriteError]
    """The dialects' error writers by family."""


def control_app(rooms: Rooms) -> FastAPI:
    """The app. Whoever serves it puts `caller` into `scope["state"]`, or `refusal`, the error to raise instead;
    and `request_id`, if the answer is to name one."""
    app = FastAPI(
        title="Tollway",
        version=tollway.__version__,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(gate)],
    )
    usage_me = UsageMe(rooms.database, rooms.ledger, rooms.clock, rooms.users.plan_of)
    shelf = Shelf(rooms.database, rooms.clock, rooms.listed)
    updates = PriceUpdates(rooms.database, rooms.clock, rooms.listed)
    database, ledger, clock = rooms.database, rooms.ledger, rooms.clock
    spent = Spending(database, clock).of
    vouchers = Vouchers(database, clock)
    referrals = Referrals(database, clock, rooms.subscriptions.terms)
    for router in (
        auth_routes.routes(rooms.keys, clock, spent),
        billing_routes.mine(rooms.subscriptions.plans, vouchers, ledger),
        billing_routes.referral(referrals, clock),
        billing_routes.admin(vouchers, Refunds(database, clock, ledger), clock),
        organisations.routes(Organisations(database, clock), rooms.users, spent),
        ledger_routes.routes(ledger),
        routes.mine(rooms.users, rooms.keys, rooms.ledger, rooms.clock),
        usage.mine(rooms.users, usage_me, rooms.database, rooms.ledger),
        usage.admin(Platform(rooms.database, rooms.ledger, rooms.clock, rooms.catalog)),
        prices.routes(shelf, updates),
        groups.routes(GroupBook(database, clock)),
        routes.admin(rooms.users, rooms.subscriptions, ledger, spent),
        channels.routes(rooms.channels),
        routing.routes(rooms.routing),
    ):
        app.include_router(router, responses=envelope.REFUSALS)
    app.include_router(
        lists.routes(rooms.catalog, rooms.limiter, rooms.routing.routes), responses=envelope.REFUSALS_OF_VENDORS
    )
    app.include_router(unbuilt.routes())
    _say_errors(app, rooms.writers)
    return app


async def gate(request: Request, response: Response) -> None:
    """Nobody passes without a name. Raises what whoever looked for the caller had to say."""
    state = request.scope.get("state", {})
    response.headers["x-request-id"] = state.get("request_id", "")
    refusal = state.get("refusal")
    if isinstance(refusal, TollwayError):
        raise refusal
    if not isinstance(state.get("caller"), Caller):
        raise Unauthenticated("no API key in the request: send `Authorization: Bearer <key>` or `x-api-key`")


def _say_errors(app: FastAPI, writers: Mapping[str, envelope.WriteError]) -> None:
    def answer(request: Request, error: TollwayError) -> Response:
        scope = request.scope
        place = scope["path"], scope.get("query_string", b"").decode("latin-1"), dict(scope["headers"])
        request_id = scope.get("state", {}).get("request_id", "")
        status, body, headers = envelope.say(error, request_id, place, writers)
        return Response(body, status, headers)

    def told_as(
        translate: Callable[[Exception], TollwayError],
    ) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def handle(request: Request, error: Exception) -> Response:
            return answer(request, translate(error))

        return handle

    app.add_exception_handler(TollwayError, told_as(lambda error: error if isinstance(error, TollwayError) else _OURS))
    app.add_exception_handler(RequestValidationError, told_as(_invalid))
    app.add_exception_handler(HTTPException, told_as(_refused))
    app.add_exception_handler(Exception, told_as(lambda error: _OURS))


_OURS = Internal("internal error")


def _invalid(error: Exception) -> TollwayError:
    """The first thing wrong with a request, its place named as in `limits.models[2]`."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    if first.get("type") == "json_invalid":
        return BadRequest("the body is not valid JSON")
    path = [step for step in first.get("loc", ()) if step not in ("body", "query", "path")]
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    message = str(first.get("msg", "invalid"))
    return BadRequest(f"{field}: {message}" if field else f"the body: {message}", field=field or None)


def _refused(error: Exception) -> TollwayError:
    """What the framework refuses by itself: a path or a method nobody has."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return NotFound("no such path here")
    if status == 405:
        return MethodNotAllowed("this path exists, but not under this method")
    return BadRequest("the body could not be read") if status < 500 else _OURS
