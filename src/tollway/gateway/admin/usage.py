"""`/usage/me`, `/billing/refresh` and `/billing/statement` for everybody, `/usage/admin` for administrators."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from tollway.core.caller import Caller, Scope
from tollway.core.errors import BadRequest, Forbidden
from tollway.core.ids import UserId
from tollway.gateway.admin.moments import day_after, moment
from tollway.gateway.admin.platform import Platform
from tollway.gateway.admin.usage_me import Money, UsageMe
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.routes import only_admins
from tollway.gateway.ledger.statement import as_csv, show_statement, statement
from tollway.ports import Database

Shown = dict[str, Any]
Moment = Annotated[str | None, Query(max_length=60)]
Days = Annotated[int, Query(ge=1, le=366)]


def mine(users: Users, usage: UsageMe, database: Database, money: Money) -> APIRouter:
    """What a caller may know of his own account. The caller arrives in `request.state.caller`."""
    router = APIRouter(tags=["Account"])

    @router.get("/usage/me")
    async def usage_me(request: Request) -> Shown:
        caller: Caller = request.state.caller
        return await usage.show(caller.user)

    @router.post("/billing/refresh")
    async def refresh(request: Request) -> Shown:
        caller: Caller = request.state.caller
        return await usage.refresh(caller.user)

    @router.get("/billing/statement", response_model=None, responses={200: {"content": {"text/csv": {}}}})
    async def told(
        request: Request,
        begins: Annotated[str | None, Query(alias="from", max_length=60)] = None,
        ends: Annotated[str | None, Query(alias="to", max_length=60)] = None,
        format: Literal["json", "csv"] | None = None,
        user: Annotated[str | None, Query(max_length=254)] = None,
    ) -> Shown | Response:
        whose = await _whose(request.state.caller, user, users)
        span = moment(begins, "from"), day_after(ends, "to")
        if None not in span and (span[0] or 0.0) > (span[1] or 0.0):
            raise BadRequest("from must not be after to", field="from")
        await money.flush()
        found = await statement(database, whose, *span)
        wants_csv = format == "csv" or (format is None and "text/csv" in request.headers.get("accept", ""))
        if not wants_csv:
            return show_statement(found)
        headers = {"content-disposition": f'attachment; filename="statement-{whose}.csv"'}
        return Response(as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)

    return router


async def _whose(caller: Caller, user: str | None, users: Users) -> UserId:
    """The caller's own id, or whom an administrator asks about. Raises Forbidden, NotFound."""
    if user is None or user == caller.user:
        return caller.user
    if caller.scope is not Scope.ADMIN:
        raise Forbidden("only administrators may see the accounts of others", field="user")
    return (await users.find(user)).id


def admin(platform: Platform) -> APIRouter:
    """The whole hub's figures."""
    router = APIRouter(prefix="/usage", tags=["Administration"], dependencies=[Depends(only_admins)])

    @router.get("/admin")
    async def everything(days: Days = 30) -> Shown:
        return await platform.use(days)

    @router.get("/admin/models")
    async def economics(days: Days = 30) -> Shown:
        return await platform.economics(days)

    return router
