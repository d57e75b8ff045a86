"""Keys are made within bounds, listed without secrets, revoked once."""

import asyncio
from pathlib import Path

import pytest

from tests.gateway.auth.conftest import HandClock
from tollway.backends.sql import SqlDatabase
from tollway.core.caller import KeyLimits
from tollway.core.errors import BadRequest, NotFound
from tollway.core.ids import UserId
from tollway.gateway.admin.users import EmailTaken, Users
from tollway.gateway.auth.api_keys import DAY_S, ApiKeys, KeyLimit, KeyRules


async def test_ten_active_keys_and_no_more_even_when_asked_at_once(users: Users, keys: ApiKeys) -> None:
    user, _ = await users.create("ada@example.com")
    results = await asyncio.gather(*(keys.create(user.id) for _ in range(20)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, KeyLimit)]
    assert len(refused) == 11
    assert (refused[0].status, refused[0].code) == (429, "KEY_LIMIT")
    assert len(await keys.of(user.id)) == 10


async def test_revoked_and_expired_keys_make_room(users: Users, database: SqlDatabase, clock: HandClock) -> None:
    keys = ApiKeys(database, clock, KeyRules(most_active=2))
    user, first = await users.create("ada@example.com")
    second = await keys.create(user.id, lifetime_days=1)
    with pytest.raises(KeyLimit):
        await keys.create(user.id)
    await keys.revoke(first.record.id)
    await keys.create(user.id)
    clock.at_s += DAY_S
    await keys.create(user.id)
    assert second.record.status(clock.at_s) == "expired"


async def test_a_key_is_revoked_once_and_only_by_its_owner(users: Users, keys: ApiKeys) -> None:
    ada, key = await users.create("ada@example.com")
    eve, _ = await users.create("eve@example.com")
    with pytest.raises(NotFound):
        await keys.revoke(key.record.id, eve.id)
    await keys.revoke(key.record.id, ada.id)
    with pytest.raises(NotFound):
        await keys.revoke(key.record.id, ada.id)
    assert (await keys.of(ada.id))[0].revoked_at_s is not None


async def test_nobody_gets_no_key(keys: ApiKeys) -> None:
    with pytest.raises(NotFound):
        await keys.create(UserId("usr_none"))


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (KeyLimits(requests_per_minute=0), "requests_per_minute"),
        (KeyLimits(requests_per_minute=10**9), "requests_per_minute"),
        (KeyLimits(parallel_calls=-1), "parallel_calls"),
        (KeyLimits(models=()), "models"),
        (KeyLimits(models=("",)), "models"),
        (KeyLimits(models=("\ud800",)), "models"),
        (KeyLimits(models=("m",) * 201), "models"),
    ],
)
async def test_limits_that_make_no_sense_are_refused_by_name(keys: ApiKeys, limits: KeyLimits, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await keys.create(UserId("u"), "x", limits)
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101, "\ud800", "\x00"])
async def test_names_are_short_and_printable(keys: ApiKeys, name: str) -> None:
    with pytest.raises(BadRequest):
        await keys.create(UserId("u"), name)


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), 1e300])
async def test_lifetimes_are_finite_and_positive(keys: ApiKeys, days: float) -> None:
    with pytest.raises(BadRequest):
        await keys.create(UserId("u"), lifetime_days=days)


@pytest.mark.parametrize("email", ["", "ada", "@", "a@", "a b@c", "a@b\nc", "\ud800@b", "a" * 250 + "@b.de", "a@b@c"])
async def test_addresses_that_cannot_be_are_refused(users: Users, email: str) -> None:
    with pytest.raises(BadRequest):
        await users.create(email)


async def test_one_address_is_one_user_however_it_is_written(users: Users, tmp_path: Path) -> None:
    user, _ = await users.create(" Ada@Example.com ")
    with pytest.raises(EmailTaken):
        await users.create("ada@example.COM")
    assert (await users.find("ADA@example.com")).id == user.id
    assert (await users.find(user.id)).email == "ada@example.com"
    with pytest.raises(NotFound):
        await users.find("nobody")


async def test_users_come_in_pages(users: Users) -> None:
    made = sorted([(await users.create(f"u{number}@example.com"))[0].id for number in range(5)])
    first = await users.page(2)
    rest = await users.page(10, after=first[-1].id)
    assert [user.id for user in [*first, *rest]] == made
