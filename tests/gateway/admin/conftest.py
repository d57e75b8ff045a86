"""The control plane over real rooms, asked through ASGI by an HTTP client."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tollway.backends import sql
from tollway.backends.clock import SystemClock
from tollway.backends.localvault import LocalVault
from tollway.backends.sql import SqlDatabase
from tollway.core.errors import TollwayError
from tollway.core.groups import USUAL_GROUPS
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway import dialects
from tollway.gateway.admin.channel_desk import ChannelDesk
from tollway.gateway.admin.control import Rooms, control_app
from tollway.gateway.admin.routing import RouteDesk
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys, KeyRules
from tollway.gateway.auth.credential import carriers_of, credential
from tollway.gateway.auth.identify import KeyRing
from tollway.gateway.billing.plans import Plans
from tollway.gateway.billing.subscriptions import Subscriptions
from tollway.gateway.billing.terms import Terms
from tollway.gateway.catalog import Catalog
from tollway.gateway.channels.form import Form
from tollway.gateway.channels.kept import StoredChannels
from tollway.gateway.channels.roster import Listed, Source
from tollway.gateway.dialect import Dialect
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.limits.rate import RateLimiter
from tollway.gateway.pipeline.trial import Trial, model_for_test
from tollway.gateway.routing.chain import STRATEGIES
from tollway.gateway.routing.groups import GroupRoutes
from tollway.gateway.routing.observations import Signals
from tollway.gateway.stock import inside_of, known_providers
from tollway.kit.registry import discover

CHANNELS = (
    Channel(
        id=ChannelId("openai"), provider="openai", base_url="https://me:pw@api.openai.com/v1", keys=("sk-" + "9" * 40,)
    ),
    Channel(
        id=ChannelId("echo"), provider="echo", base_url="", models={"echo": "echo"}, headers=(("x-token", "s3cr3t"),)
    ),
)


@dataclass
class Hub:
    """A running control plane and what it stands on."""

    database: SqlDatabase
    ledger: Ledger
    users: Users
    keys: ApiKeys
    app: Any

    def client(self, api_key: str | None = None, **headers: str) -> httpx2.AsyncClient:
        carried = {"authorization": f"Bearer {api_key}"} if api_key else {}
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://hub", headers=carried | headers)

    async def newcomer(self, email: str = "ada@example.com", **wanted: Any) -> httpx2.AsyncClient:
        _, key = await self.users.create(email, **wanted)
        return self.client(key.api_key)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    clock, database = SystemClock(), sql.open("sqlite://", tmp_path)
    await database.migrate()
    ledger = Ledger(database, tmp_path, clock)
    keys = ApiKeys(database, clock, KeyRules(strategies=frozenset(STRATEGIES)))
    await ledger.start()
    catalog, plans, providers = Catalog.load(), Plans.load(), known_providers()
    subscriptions = Subscriptions(database, clock, plans, Terms())
    users, ring = Users(database, clock, keys, subscriptions), KeyRing(database, clock, plans=plans.rules)
    ways = GroupRoutes(USUAL_GROUPS, catalog.models, CHANNELS, providers, Signals())
    rooms = Rooms(
        database=database,
        users=users,
        keys=keys,
        subscriptions=subscriptions,
        ledger=ledger,
        limiter=RateLimiter(catalog.find),
        clock=clock,
        catalog=lambda: catalog,
        listed=catalog,
        channels=ChannelDesk(
            stored=StoredChannels(database, clock, LocalVault(tmp_path / "vault.keys"), Form(providers, {})),
            roster=lambda: [Listed(one, Source.FILE) for one in CHANNELS],
            catalog=lambda: catalog,
            choose=model_for_test,
            trial=Trial(providers, lambda provider: inside_of(providers)[provider.name]),
            rests_for_s=lambda channel: 30.0 if channel == "openai" else 0.0,
        ),
        routing=RouteDesk(lambda: catalog, lambda: ways, keys, users, plans.rules, clock),
        writers={dialect.family: dialect.write_error for dialect in discover(dialects, "dialect", Dialect).values()},
    )
    app = control_app(rooms)

    async def named(scope: Any, receive: Any, send: Any) -> None:
        query = scope["query_string"].decode()
        raw = credential(dict(scope["headers"]), query, carriers_of(scope["path"]))
        scope["state"] = {"request_id": "req_test"}
        try:
            scope["state"]["caller"] = await ring.identify(raw)
        except TollwayError as error:
            scope["state"]["refusal"] = error
        await app(scope, receive, send)

    yield Hub(database, ledger, users, keys, named)
    await ledger.close()
    await database.close()
