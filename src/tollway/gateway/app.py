"""Composition root: settings become backends, backends become rooms, rooms become a server."""

import asyncio
import contextlib
import dataclasses
import logging
import os
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tollway.backends import sql
from tollway.backends.clock import SystemClock
from tollway.core.errors import TollwayError
from tollway.core.groups import USUAL_GROUPS
from tollway.core.model import Channel, Model
from tollway.gateway import dialects, surfaces
from tollway.gateway.admin.first_run import Newcomers
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys, KeyRules
from tollway.gateway.auth.identify import KeyRing
from tollway.gateway.cards.board import PriceBoard
from tollway.gateway.catalog import Catalog
from tollway.gateway.channels.board import ChannelBoard, News
from tollway.gateway.channels.kept import StoredChannels
from tollway.gateway.channels.roster import Listed, moved_channels, switched_off, used
from tollway.gateway.control_plane import ControlPlane, load
from tollway.gateway.dialect import Dialect, Opaque
from tollway.gateway.engines.discovery import LocalEngines
from tollway.gateway.engines.fleet import Engines
from tollway.gateway.engines.offload import Offload
from tollway.gateway.furnish import (
    client_of,
    gauges_of,
    ledger_rules,
    metrics_page,
    signals_of,
    subscriptions_of,
    together_of,
)
from tollway.gateway.http import Front
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.limits.lanes import LaneLimits
from tollway.gateway.limits.rate import RateLimiter
from tollway.gateway.metering.learned import UsualOutput
from tollway.gateway.paths import Paths
from tollway.gateway.pipeline.detour import Detours, detours_of, every_way
from tollway.gateway.pipeline.dispatch import Dispatcher
from tollway.gateway.pipeline.heart import Heart
from tollway.gateway.pipeline.lending import lenders
from tollway.gateway.pipeline.prober import Prober
from tollway.gateway.pipeline.relay import Gateway
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.pipeline.trial import Proven, Trial, model_for_test
from tollway.gateway.routing.chain import STRATEGIES
from tollway.gateway.routing.groups import GroupRoutes
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.router import Router
from tollway.gateway.stock import fixed_of, form_of, inside_of, known_providers, vault_of
from tollway.gateway.surface import Surface
from tollway.gateway.worker import Worker
from tollway.kit.http1.asgi import App
from tollway.kit.registry import discover
from tollway.ports import Transaction, Upstream
from tollway.settings import Settings, SettingsError

log = logging.getLogger("tollway.app")
BEAT_S = 1.0
NOTE_USE_S = 60.0
ASK_ENGINES_S = 30.0
PROBE_S = 1.0
DROP_S = 6 * 3600.0
LOAD_S = 1.0
LOOK_S = 0.25
"""Between two looks whether prices, channels or groups are others by now: one look at a number in memory."""
LOOK_AT_ACCOUNTS_S = 0.5
AWAIT_ENGINES_S = 0.8
"""How long the start waits for engines to say what they serve; what comes later is put on sale then."""
SECRET = "opaque.key"


def error_writers() -> Mapping[str, Callable[[TollwayError, str], tuple[int, bytes]]]:
    """How each family says its errors, whichever of its dialects is spoken."""
    return {dialect.family: dialect.write_error for dialect in discover(dialects, "dialect", Dialect).values()}


class Hub:
    """Everything that runs in one gateway process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.providers = known_providers()
        self.fixed = fixed_of(settings, self.providers)
        self.roster: list[Listed] = self.fixed.with_stored(())
        self.channels = used(self.roster)
        self.database = sql.open(settings.database_url, settings.data_dir)
        form = form_of(settings, self.providers)
        self.stored = StoredChannels(self.database, self.clock, vault_of(settings), form)
        self.board = ChannelBoard(self.database, self.clock, self.stored)
        self.together = together_of(settings, self.clock)
        self.ledger = Ledger(self.database, settings.data_dir, self.clock, ledger_rules(settings.ledger))
        self.subscriptions = subscriptions_of(settings, self.database, self.clock)
        rules = self.subscriptions.plans.rules
        self.keys = KeyRing(self.database, self.clock, self.together.lockout, rules)
        local = [provider.name for provider in self.providers.values() if provider.local_price]
        self.groups = USUAL_GROUPS
        self.listed = self.priced = self.catalog = Catalog.load(settings.sheet, local)
        self.prices = PriceBoard(self.database, self.clock)
        self.limits = RateLimiter(self._model, self.together.shares)
        self.lane_limits = LaneLimits(self.together.lanes)
        self.signals = signals_of(settings, self.lane_limits, self.together)
        self.health = self.signals.health
        self.routes = self._routes()
        self.upstream = client_of(settings)
        self.inside: Mapping[str, Upstream] = inside_of(self.providers)
        self.engines = LocalEngines(self.catalog, self.channels, self.providers, self.upstream)
        self.lenders = lenders(settings.pools, self.providers, self.upstream, self.clock.now_s)
        self.prober = self._prober()
        fleet = Engines(self.providers, self.upstream, settings.engines, self.clock.monotonic_s)
        self.offload = Offload(fleet, (settings.engines, settings.offload), self.clock.monotonic_s)
        self.offload.take(self.catalog.models, self.channels, self.catalog.find)
        self.signals.engines = fleet
        self.worker = Worker()
        self.heart = Heart()
        self.paths = Paths(discover(surfaces, "surface", Surface).values())
        self.gauges = gauges_of(settings, self, self.paths.surfaces)
        self.control = ControlPlane(self.keys, self._control_app, self.gauges.tally)
        self.front = self._front()
        self.draining = False

    def _prober(self) -> Prober:
        now_s, leases = self.clock.monotonic_s, self.together.leases
        return Prober(self.health, self._ways, self.upstream, now_s, self.lenders, leases)

    def _ways(self) -> Iterator[Candidate]:
        return every_way(self.routes, self.front.detours)

    def _routes(self, only: Sequence[Channel] | None = None) -> GroupRoutes:
        """Over all channels unless stated. Raises SettingsError or TomlError naming a strategy there is not."""
        try:
            channels = [*self.channels, *switched_off(self.roster)] if only is None else only
            return GroupRoutes(self.groups, self.catalog.models, channels, self.providers, self.signals)
        except ValueError as error:
            raise SettingsError(str(error)) from error

    @property
    def router(self) -> Router:
        """All channels, whatever groups they serve."""
        return self.routes.every

    def _model(self, name: str) -> Model | None:
        return self.catalog.find(name)

    def _front(self) -> Front:
        return Front(
            gateway=self._gateway(),
            keys=self.keys,
            paths=self.paths,
            control=self.control.handle,
            ready=self.wrong,
            opaque=Opaque(_secret(self.settings.data_dir)),
            max_body=self.settings.limits.max_body,
            metrics=metrics_page(self.gauges, self.keys, self.settings.metrics.token, self.control.handle),
            tally=self.gauges.tally,
            detours=self._detours(),
        )

    def _detours(self) -> Detours | None:
        """Paths at which only some channels answer."""
        return detours_of(self.paths.surfaces, self.channels, self.providers, self.catalog, self._routes)

    def _gateway(self) -> Gateway:
        now_s = self.clock.monotonic_s
        return Gateway(
            catalog=self.catalog,
            limits=self.limits,
            router=self.router,
            groups=self.routes,
            ledger=self.ledger,
            dispatcher=Dispatcher(
                self.health, self.offload.engines.watch, self.inside, now_s, self.lenders, self.lane_limits
            ),
            seals=Seals(now_s),
            heart=self.heart,
            usual=UsualOutput(),
            now_s=now_s,
            default_model=self.settings.server.default_model or None,
            offload=self.offload.active,
        )

    def _control_app(self) -> App:
        build: Callable[..., App] = load("tollway.gateway.admin.control", "control_app")
        rooms: Callable[..., object] = load("tollway.gateway.admin.control", "Rooms")
        rules = KeyRules(
            self.settings.keys.days or None, limits=self.settings.keys.limits, strategies=frozenset(STRATEGIES)
        )
        api_keys = ApiKeys(self.database, self.clock, rules)
        users = Users(self.database, self.clock, api_keys, self.subscriptions)
        return build(
            rooms(
                database=self.database,
                users=users,
                subscriptions=self.subscriptions,
                keys=api_keys,
                ledger=self.ledger,
                limiter=self.limits,
                clock=self.clock,
                catalog=lambda: self.catalog,
                listed=self.listed,
                channels=self._channel_desk(),
                routing=self._route_desk(api_keys, users),
                writers=error_writers(),
            )
        )

    def _route_desk(self, keys: ApiKeys, users: Users) -> object:
        desk: Callable[..., object] = load("tollway.gateway.admin.routing", "RouteDesk")
        return desk(
            catalog=lambda: self.catalog,
            routes=lambda: self.routes,
            keys=keys,
            users=users,
            plans=self.subscriptions.plans.rules,
            clock=self.clock,
            offload=self.offload,
        )

    def _channel_desk(self) -> object:
        desk: Callable[..., object] = load("tollway.gateway.admin.channel_desk", "ChannelDesk")
        now_s = self.clock.monotonic_s
        return desk(
            stored=self.stored,
            roster=lambda: self.roster,
            catalog=lambda: self.catalog,
            choose=model_for_test,
            trial=Trial(self.providers, lambda provider: self.inside.get(provider.name, self.upstream), now_s),
            rests_for_s=lambda channel: self.health.lane_rests_until(channel) - now_s(),
            works=lambda lane, model, took_s: self.health.answered(Proven(lane.id, model), now_s(), took_s),
            problems=lambda: self.board.problems,
        )

    def newcomers(self) -> Newcomers:
        """Whom the very first start makes."""
        keys = ApiKeys(self.database, self.clock, KeyRules(self.settings.keys.days or None))
        return Newcomers(Users(self.database, self.clock, keys, self.subscriptions), self.settings.keys.first_credits)

    async def start(self) -> None:
        """Bring the schema forward, replay what a dead process left, begin the loops."""
        await self.database.migrate()
        await self.ledger.start()
        self.gauges.listen()
        await self.prices.note_listed(self.listed)
        await self.look_at_prices()
        self._adopt(await self.board.begin())
        await self.subscriptions.keep_up()
        heartbeat_s = self.settings.server.heartbeat_s
        self.worker.every(
            min(BEAT_S, heartbeat_s / 2), "heartbeat", lambda: self.heart.beat(self.clock.monotonic_s(), heartbeat_s)
        )
        self.worker.every(LOAD_S, "load the control plane", self.control.load_when_quiet)
        self.together.begin(self.worker, self.signals, lambda: any(one.is_limited for one in self.channels))
        if self.settings.health.probe:
            self.worker.every(PROBE_S, "probe channels", self.prober.round)
        self.worker.every(LOOK_S, "look at prices", self.look_at_prices)
        self.worker.every(LOOK_S, "look at channels", self.look_at_channels)
        if self.settings.retention.receipts_months:
            self.worker.every(DROP_S, "drop old receipts", self._drop_receipts, at_once=True)
        self.worker.every(NOTE_USE_S, "note use of keys", self.keys.note_use)
        if self.lenders:
            self.worker.every(LOOK_AT_ACCOUNTS_S, "look at accounts", self._look_at_accounts)
        fleet, poll_s = self.offload.engines, self.settings.engines.poll_s
        self.worker.every(poll_s, "look at local engines", fleet.poll, at_once=True)
        self.worker.every(ASK_ENGINES_S, "ask local engines", self.ask_engines, at_once=True)
        if self.engines.channels:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.engines.asked.wait(), AWAIT_ENGINES_S)

    async def look_at_prices(self) -> None:
        """Sell at the cards that hold now; calls in flight keep theirs."""
        cards = await self.prices.news()
        if cards is not None:
            self.priced = self.listed.at_prices(cards)
            self.engines.sell_from(self.priced)
            self._take_stock()

    async def _look_at_accounts(self) -> None:
        """Learn what operators and other processes have changed in the pools' files."""
        for lender in self.lenders.values():
            await lender.pool.look()

    async def look_at_channels(self) -> None:
        """Take the channels and groups of the database as they are now; calls in flight keep what they began with."""
        news = await self.board.news()
        if news is not None:
            self._adopt(news)

    def restate(self, settings: Settings) -> None:
        """Take the channels of the file and the environment as `settings` state them; all else needs a new start."""
        self.fixed = fixed_of(settings, self.providers)
        self._adopt(self.board.told)

    def _adopt(self, news: News) -> None:
        """Route by these channels from now on; local engines among them that are new are asked at once."""
        asked = {(channel.id, channel.base_url) for channel in self.engines.channels}
        known, self.roster = self.roster, self.fixed.with_stored(news.channels)
        self.groups = news.groups
        moved = moved_channels(known, self.roster)
        for circuit in self.health.open:
            if circuit.lane.partition("#")[0] in moved:  # what failed was another key, or another address
                circuit.close()
        self.engines.sell_from(self.priced, used(self.roster))
        self._take_stock()
        if any((channel.id, channel.base_url) not in asked for channel in self.engines.channels):
            self.worker.once("ask new engines", self.ask_engines)

    async def _drop_receipts(self) -> None:
        """Forget the months that need not be kept."""
        for month in await self.ledger.drop_receipts(self.settings.retention.receipts_months):
            log.info("the receipts of %s are dropped", month)

    async def ask_engines(self) -> None:
        """Put on sale what the local engines say they serve."""
        await self.engines.ask(self._take_stock)

    def _take_stock(self) -> None:
        """New snapshots of catalog and channels replace the old ones; calls in flight keep theirs."""
        self.catalog, self.channels = self.engines.on_sale()
        self.routes = self._routes()
        self.offload.take(self.catalog.models, self.channels, self.catalog.find)
        self.limits.forget_models()
        self.front.gateway = dataclasses.replace(
            self.front.gateway,
            catalog=self.catalog,
            router=self.router,
            groups=self.routes,
            offload=self.offload.active,
        )
        self.front.detours = self._detours()

    async def wrong(self) -> str:
        """What keeps the gateway from serving; empty when nothing does."""
        if self.draining:
            return "draining"
        if self.together.wrong:
            return self.together.wrong
        try:
            await self.database.read(_one)
        except TollwayError as error:
            return error.message
        return ""

    async def close(self) -> None:
        """Settle, write, return what was leased, let go."""
        await self.worker.stop()
        await self.prober.close()
        await self.offload.engines.close()
        await self.gauges.close()
        try:
            await self.keys.note_use()
        except TollwayError as error:  # the books come next, and matter more
            log.warning("it is not noted when keys were last used: %s", error.message)
        for lender in self.lenders.values():
            await lender.pool.close()
        await self.ledger.close()
        await self.upstream.close()
        await self.database.close()
        await self.together.store.close()


def _one(tx: Transaction) -> None:
    tx.run("SELECT 1")


def _secret(folder: Path) -> bytes:
    """The key that seals opaque state, made once and kept in the data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SECRET
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """The server's certificate, when the operator wants TLS to end here."""
    if not settings.server.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.server.tls_cert, settings.server.tls_key or None)
    return context
