"""From settings to what the rooms are built with."""

from collections.abc import Sequence

from tollway.gateway.auth.identify import KeyRing, credential
from tollway.gateway.auth.lockout import Lockout, LockoutRule
from tollway.gateway.billing.plans import Plans
from tollway.gateway.billing.subscriptions import Subscriptions
from tollway.gateway.billing.terms import terms_of
from tollway.gateway.gauges import Gauges, Rooms
from tollway.gateway.ledger.ledger import Rules
from tollway.gateway.limits.lanes import LaneLimits
from tollway.gateway.metrics.page import MetricsPage
from tollway.gateway.metrics.tally import Tally
from tollway.gateway.routing.affinity import Bonds
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.memory import Memory
from tollway.gateway.routing.observations import Signals
from tollway.gateway.surface import Surface
from tollway.gateway.together import Together
from tollway.kit.http1.client import Client
from tollway.kit.http1.wire import Handler, Request
from tollway.ports import Clock, Database
from tollway.settings import Books, Keys, Settings, SettingsError


def together_of(settings: Settings, clock: Clock) -> Together:
    """What is shared with other gateways. Raises SettingsError for a URL that is none."""
    stated = settings.server
    lockout = Lockout(lockout_rule(settings.keys))
    try:
        return Together(stated.shared_url, clock, lockout, reject=stated.shared_failure == "reject")
    except ValueError as error:
        raise SettingsError(f"server.shared_url: {error}") from error


def lockout_rule(keys: Keys) -> LockoutRule:
    """When an address is shut out."""
    return LockoutRule(keys.lockout_failures, keys.lockout_within_s, keys.lockout_locked_s, keys.lockout_loopback_too)


def ledger_rules(books: Books) -> Rules:
    """How the books are kept."""
    return Rules(books.durability == "sync", books.flush_ms / 1000, books.lease_s, books.sweep_s)


def signals_of(settings: Settings, limits: LaneLimits, together: Together) -> Signals:
    """What routing goes by."""
    rules, shared = settings.routing, together.peers is not None
    return Signals(
        Health(settings.health), Memory(rules, shared), rules, limits, bonds=Bonds(settings.affinity, shared)
    )


def subscriptions_of(settings: Settings, database: Database, clock: Clock) -> Subscriptions:
    """Who has which plan."""
    stated = settings.plans
    plans = Plans.load(settings.sheet, stated.default)
    terms = terms_of(stated.default, stated.sign_up_credits, stated.referral_credits, stated.claim_days)
    return Subscriptions(database, clock, plans, terms)


def gauges_of(settings: Settings, rooms: Rooms, surfaces: Sequence[Surface]) -> Gauges:
    """What is counted, and how it is shown."""
    stated = settings.metrics
    return Gauges(rooms, surfaces, Tally() if stated.enabled else None, by_family=stated.model_label == "family")


def metrics_page(gauges: Gauges, keys: KeyRing, token: str, nothing: Handler) -> Handler:
    """What stands at /metrics; `nothing` where nothing is counted."""
    if gauges.tally is None:
        return nothing

    def key_of(request: Request) -> bytes | None:
        return credential(request.headers, request.query, ("bearer", "x-api-key"))

    return MetricsPage(gauges.write, keys.identify, key_of, token).handle


def client_of(settings: Settings) -> Client:
    """The wire to providers."""
    wire = settings.upstream
    return Client(
        max_idle_per_origin=wire.max_idle_per_origin,
        max_per_origin=wire.max_per_origin,
        idle_max_age_s=wire.idle_max_age_s,
    )
