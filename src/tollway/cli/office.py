"""What every command works with: settings, the books of a data folder, and how an error leaves the process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import click
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tollway.backends import sql
from tollway.backends.clock import SystemClock
from tollway.core.errors import BadRequest, NotFound, TollwayError, Unavailable
from tollway.gateway import providers
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys, KeyRules
from tollway.gateway.auth.organisations import Organisations
from tollway.gateway.billing.plans import Plans
from tollway.gateway.billing.spending import Spending
from tollway.gateway.billing.subscriptions import Subscriptions
from tollway.gateway.billing.terms import terms_of
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.provider import Provider
from tollway.gateway.routing.chain import STRATEGIES
from tollway.kit.registry import discover
from tollway.kit.toml import TomlError
from tollway.ports import Database
from tollway.settings import Settings, SettingsError, Vendor, from_process

T = TypeVar("T")

WRONG, USAGE, NOT_FOUND, UNREACHABLE = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Office:
    """The rooms a command may enter. They work beside a running server, on the same database."""

    settings: Settings
    clock: SystemClock
    database: Database
    keys: ApiKeys
    users: Users
    subscriptions: Subscriptions
    organisations: Organisations
    ledger: Ledger

    @property
    def spending(self) -> Spending:
        """What is spent of budgets."""
        return Spending(self.database, self.clock)


def vendor_of(provider: Provider) -> Vendor:
    """What settings must know of it."""
    one, lends = provider, provider.subscription is not None
    host = one.host_env, one.host_port
    return Vendor(one.name, one.key_env, one.base_env, one.base_url, one.needs_key, *host, lends)


def settings_of(argv: Mapping[str, Any]) -> Settings:
    """The settings. Ends the process with 2 when they cannot be used."""
    try:
        return read_settings(argv)
    except (SettingsError, TomlError) as error:
        leave(str(error), USAGE)


def read_settings(argv: Mapping[str, Any]) -> Settings:
    """The settings. Raises SettingsError or TomlError when they cannot be used."""
    return from_process(argv, [vendor_of(one) for one in discover(providers, "provider", Provider).values()])


def run(argv: Mapping[str, Any], work: Callable[[Office], Awaitable[T]], *, makes: bool = False) -> T:
    """What `work` returns. Its errors end the process with one line and a code that says what kind they are.

    `makes`: the command may be the first ever, so the schema is brought forward.
    """
    settings = settings_of(argv)

    async def inside() -> T:
        async with _open(settings, makes) as office:
            return await work(office)

    try:
        return asyncio.run(inside())
    except NotFound as error:
        leave(error.message, NOT_FOUND)
    except BadRequest as error:
        leave(error.message, USAGE)
    except (Unavailable, OSError, SQLAlchemyError) as error:
        leave(_why(error), UNREACHABLE)
    except TollwayError as error:
        leave(error.message, WRONG)


def has_database(settings: Settings) -> bool:
    """False when the database would be a file in the data folder that nobody has made yet."""
    return settings.database_url != "sqlite://" or (settings.data_dir / "tollway.db").exists()


def leave(message: str, code: int) -> NoReturn:
    """End the process with one line on the error output."""
    click.echo(f"tollway: {' '.join(message.split())}", err=True)
    sys.exit(code)


@asynccontextmanager
async def _open(settings: Settings, makes: bool) -> AsyncIterator[Office]:
    clock = SystemClock()
    if not makes and not has_database(settings):
        raise Unavailable(f"there is no database in {settings.data_dir}: start `tollway serve` first")
    try:
        database = sql.open(settings.database_url, settings.data_dir, patient=True)
    except (ValueError, ArgumentError) as error:
        leave(f"TOLLWAY_DATABASE_URL: {error}", USAGE)
    try:
        if makes:
            await database.migrate()
        own = settings.keys
        rules = KeyRules(own.days or None, None, own.limits, frozenset(STRATEGIES))
        keys = ApiKeys(database, clock, rules)
        ledger = Ledger(database, settings.data_dir, clock)
        subscriptions = _subscriptions(settings, database, clock)
        users, organisations = Users(database, clock, keys, subscriptions), Organisations(database, clock)
        yield Office(settings, clock, database, keys, users, subscriptions, organisations, ledger)
    finally:
        await database.close()


def _subscriptions(settings: Settings, database: Database, clock: SystemClock) -> Subscriptions:
    stated = settings.plans
    try:
        plans = Plans.load(settings.sheet, stated.default)
    except TomlError as error:
        leave(str(error), USAGE)
    terms = terms_of(stated.default, stated.sign_up_credits, stated.referral_credits, stated.claim_days)
    return Subscriptions(database, clock, plans, terms)


def _why(error: Exception) -> str:
    if isinstance(error, TollwayError):
        return error.message
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    return f"the database cannot be read ({type(error).__name__})"


def operator() -> str:
    """Who works at this terminal, for the author of a grant."""
    try:
        return f"cli:{os.getlogin()}"
    except OSError:
        return "cli"
