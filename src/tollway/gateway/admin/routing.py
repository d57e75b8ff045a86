"""How a call would find its channel, told to whoever administers: every candidate, and why it stands where it does."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from tollway.core.caller import NO_PLAN, Caller, PlanRules, Scope
from tollway.core.errors import ModelNotFound, NoChannelAnswered, NotFound
from tollway.core.ids import CallId, KeyId, UserId
from tollway.core.model import Model
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys
from tollway.gateway.auth.routes import only_admins
from tollway.gateway.catalog import Catalog
from tollway.gateway.engines.offload import Offload
from tollway.gateway.engines.relief import relieved
from tollway.gateway.engines.relief import told as local_told
from tollway.gateway.limits.rate import RateLimiter
from tollway.gateway.routing.complexity import AUTO, wish_on
from tollway.gateway.routing.explain import Imagined, explained
from tollway.gateway.routing.groups import GroupRoutes, way_for
from tollway.gateway.routing.report import report
from tollway.kit.uuid7 import uuid7
from tollway.ports import Clock

Shown = dict[str, Any]
NOBODY = Caller(UserId("nobody"), KeyId("none"), Scope.ADMIN)
"""Whom nothing limits."""


@dataclass(frozen=True, slots=True)
class RouteDesk:
    """Explains routes by what a process knows at this moment."""

    catalog: Callable[[], Catalog]
    routes: Callable[[], GroupRoutes]
    keys: ApiKeys
    users: Users
    plans: Callable[[str], PlanRules]
    clock: Clock
    offload: Offload | None = None
    """What decides between local engines and others; None: nothing is known of engines."""

    async def explain(self, name: str, prompt: str = "", key: str | None = None, route: str = "") -> Shown:
        """The plan of a call for the model of this name, and why; as `key` (its id) would get it, else as anybody.

        Raises ModelNotFound, NotFound without such a key, NoChannelAnswered, BadRequest or Forbidden for the route.
        """
        caller = NOBODY if key is None else await self._caller(key)
        catalog = self.catalog()
        limiter = RateLimiter(catalog.find)
        asked = Imagined(CallId("req_" + uuid7()), caller, prompt, name, route)
        now_s = self.clock.monotonic_s()

        def may(model: Model) -> bool:
            return limiter.may(caller, model.id)

        told: Shown = {"asked": name}
        ways = self.routes().of(caller)
        if name == AUTO:
            wish, router = wish_on(asked, caller.plan), ways[0].router
            able = [one for one in router.for_auto(catalog.models) if may(one) and wish.suits(one)]
            model = router.best_for(wish, able, asked, now_s)
            told["auto"] = {"kind": wish.kind.value, "level": wish.level.name.lower(), "tokens": wish.tokens}
        else:
            model = catalog.find(name)
        if model is None or not model.enabled:
            what = "no model suits it" if name == AUTO else f"the model {name[:100]!r} is not on sale here"
            raise ModelNotFound(what, field="model")
        way = way_for(model, ways)
        if not way.router.ways(model).tiers:
            raise NoChannelAnswered(())
        told |= {"may_use": may(model), "group": way.group}
        model = way.sold(model)
        told |= explained(way.router, model, asked, now_s, may)
        if self.offload is None or self.offload.concern(model) is None:
            return told
        router = way.router.beside(dataclasses.replace(way.router.signals, memory=way.router.signals.memory.copy()))
        plan = relieved(model, asked, now_s, router, self.offload.beside(), may)
        return told | {"local": local_told(plan, self.offload)}

    def health(self) -> Shown:
        """The state of every circuit."""
        return report(self.routes().every.health, self.clock.monotonic_s())

    async def _caller(self, key: str) -> Caller:
        record = await self.keys.find(key)
        if record is None:
            raise NotFound(f"no API key {key[:100]!r}; name it by its id (key_...)")
        owner = await self.users.find(record.user)
        rules = self.plans(owner.plan) if owner.plan else NO_PLAN
        return Caller(
            record.user, record.id, record.scope, record.limits, plan=rules, user_group=owner.group,
            key_group=record.group,
        )  # fmt: skip


def routes(desk: RouteDesk) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/admin", tags=["Channels"], dependencies=[Depends(only_admins)])

    @router.get("/routing")
    async def explain(
        model: Annotated[
            str | None, Query(min_length=1, max_length=200, description="Left out: how every channel is doing.")
        ] = None,
        prompt: Annotated[str, Query(max_length=1_000)] = "",  # all of it percent-encoded still fits a head
        key: Annotated[str | None, Query(max_length=100, description="The id of an API key.")] = None,
        route: Annotated[str, Query(max_length=200, description="As in `x-tollway-route`.")] = "",
    ) -> Shown:
        return desk.health() if model is None else await desk.explain(model, prompt, key, route)

    return router
