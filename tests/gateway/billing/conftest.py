"""The rooms of billing over a real database, SQLite and PostgreSQL in turn, and a clock that is moved by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.auth.conftest import HandClock
from tollway.backends import sql
from tollway.backends.sql import SqlDatabase
from tollway.core.ids import UserId
from tollway.core.money import credits_of
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys
from tollway.gateway.auth.identify import KeyRing
from tollway.gateway.auth.organisations import Organisations
from tollway.gateway.billing.plans import Plans
from tollway.gateway.billing.referrals import Referrals
from tollway.gateway.billing.spending import Spending
from tollway.gateway.billing.subscriptions import Subscriptions
from tollway.gateway.billing.terms import Terms
from tollway.gateway.billing.vouchers import Vouchers
from tollway.gateway.ledger import store
from tollway.gateway.ledger.audit import audit


@dataclass
class House:
    """Everything that billing needs, and what tests ask of it."""

    database: SqlDatabase
    clock: HandClock
    keys: ApiKeys
    users: Users
    subscriptions: Subscriptions
    vouchers: Vouchers
    referrals: Referrals
    organisations: Organisations
    spending: Spending
    ring: KeyRing

    async def newcomer(self, name: str, plan: str | None = None) -> UserId:
        return (await self.users.create(f"{name}@example.com", plan=plan))[0].id

    async def pots(self, user: UserId) -> dict[str, float]:
        """What the user has, in credits, by kind; what is due is done first."""
        await self.database.write(lambda tx: store.refresh(tx, user, self.clock.now_s()))
        held: dict[str, float] = {}
        for pot in await self.database.read(lambda tx: store.pots(tx, user)):
            held[pot.kind] = held.get(pot.kind, 0.0) + credits_of(pot.balance)
        return held

    async def differences(self) -> list[str]:
        return await self.database.read(audit)


def furnished(database: SqlDatabase, clock: HandClock, terms: Terms | None = None) -> House:
    """The rooms over a database."""
    keys, terms, plans = ApiKeys(database, clock), terms or Terms(), Plans.load()
    subscriptions = Subscriptions(database, clock, plans, terms)
    return House(
        database=database,
        clock=clock,
        keys=keys,
        users=Users(database, clock, keys, subscriptions),
        subscriptions=subscriptions,
        vouchers=Vouchers(database, clock),
        referrals=Referrals(database, clock, terms),
        organisations=Organisations(database, clock),
        spending=Spending(database, clock),
        ring=KeyRing(database, clock, plans=plans.rules),
    )


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    database = sql.open(database_url, tmp_path)
    await database.migrate()
    house = furnished(database, HandClock())
    yield house
    assert await house.differences() == []
    await database.close()
