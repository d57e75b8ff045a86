"""A key opens from its making to its end, and not one call longer, in any process."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.auth.conftest import HandClock
from tollway.backends import sql
from tollway.backends.sql import SqlDatabase
from tollway.core.caller import Caller, KeyLimits, Scope
from tollway.core.errors import Forbidden, RateLimited, Unauthenticated
from tollway.gateway.admin.users import Users
from tollway.gateway.auth import store
from tollway.gateway.auth.api_keys import ApiKeys, NewKey
from tollway.gateway.auth.credential import digest_of
from tollway.gateway.auth.identify import CACHE_TTL_S, KeyRing, require_admin

PEER = "203.0.113.7"
STRANGER = b"inf_" + b"A" * 43


class Counted:
    """The database, with its reads counted."""

    def __init__(self, inner: SqlDatabase) -> None:
        self.inner, self.reads = inner, 0
        self.write, self.migrate, self.epoch, self.close = inner.write, inner.migrate, inner.epoch, inner.close

    async def read(self, work):  # type: ignore[no-untyped-def]
        self.reads += 1
        return await self.inner.read(work)


@pytest.fixture
def counted(database: SqlDatabase) -> Counted:
    return Counted(database)


@pytest.fixture
def ring(counted: Counted, clock: HandClock) -> KeyRing:
    return KeyRing(counted, clock)


@pytest.fixture
async def key(users: Users) -> NewKey:
    return (await users.create("ada@example.com"))[1]


async def test_a_key_is_read_once_and_then_known(ring: KeyRing, counted: Counted, key: NewKey) -> None:
    raw = key.api_key.encode()
    assert ring.known(raw) is None
    caller = await ring.identify(raw)
    assert (caller.user, caller.key, caller.scope) == (key.record.user, key.record.id, Scope.CALL)
    assert ring.known(raw) == caller
    assert await ring.identify(raw) == caller
    assert counted.reads == 1


async def test_many_who_ask_at_once_cause_one_read(ring: KeyRing, counted: Counted, key: NewKey) -> None:
    callers = await asyncio.gather(*(ring.identify(key.api_key.encode()) for _ in range(50)))
    assert len(set(map(id, callers))) == 1
    assert counted.reads == 1


async def test_one_asker_who_leaves_does_not_spoil_it_for_the_rest(ring: KeyRing, key: NewKey) -> None:
    raw = key.api_key.encode()
    first, second = (asyncio.create_task(ring.identify(raw)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key == key.record.id
    assert not ring._asking


async def test_the_database_holds_no_key(database: SqlDatabase, key: NewKey, tmp_path: Path) -> None:
    await database.close()
    secret = key.api_key.encode()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert digest_of(secret).encode() in kept  # type: ignore[union-attr]
    assert secret not in kept
    assert secret[4:] not in kept


async def test_the_shown_prefix_is_the_first_four_characters(key: NewKey) -> None:
    assert key.record.prefix == key.api_key[:8] + "..."
    assert len(key.api_key) == 47


async def test_a_revoked_key_fails_on_the_very_next_call(ring: KeyRing, keys: ApiKeys, key: NewKey) -> None:
    raw = key.api_key.encode()
    await ring.identify(raw)
    await keys.revoke(key.record.id)
    assert ring.known(raw) is None
    with pytest.raises(Unauthenticated, match="revoked"):
        await ring.identify(raw)


async def test_a_revocation_by_another_process_is_seen_at_once(ring: KeyRing, key: NewKey, tmp_path: Path) -> None:
    raw = key.api_key.encode()
    await ring.identify(raw)
    script = """
import asyncio, pathlib, sys, time
from tollway.backends import sql
from tollway.gateway.auth.api_keys import ApiKeys
class Clock:
    now_s = staticmethod(time.time)
    monotonic_s = staticmethod(time.monotonic)
async def main():
    database = sql.open("sqlite://", pathlib.Path(sys.argv[1]))
    await ApiKeys(database, Clock()).revoke(sys.argv[2])
    await database.close()
asyncio.run(main())
"""
    assert ring.known(raw) is not None
    arguments = [sys.executable, "-c", script, str(tmp_path), key.record.id]
    done = await asyncio.to_thread(subprocess.run, arguments, timeout=30)
    assert done.returncode == 0
    assert ring.known(raw) is None
    with pytest.raises(Unauthenticated, match="revoked"):
        await ring.identify(raw)


async def test_a_revocation_during_the_read_is_not_overlooked(
    ring: KeyRing, counted: Counted, keys: ApiKeys, key: NewKey
) -> None:
    raw, read = key.api_key.encode(), counted.read

    async def slowly(work):  # type: ignore[no-untyped-def]
        found = await read(work)
        await keys.revoke(key.record.id)
        return found

    counted.read = slowly  # type: ignore[method-assign]
    await ring.identify(raw)  # began before the revocation: may pass
    counted.read = read  # type: ignore[method-assign]
    assert ring.known(raw) is None
    with pytest.raises(Unauthenticated):
        await ring.identify(raw)


async def test_a_key_expires_on_the_second_also_when_known(ring: KeyRing, clock: HandClock, key: NewKey) -> None:
    raw = key.api_key.encode()
    await ring.identify(raw)
    clock.at_s += 90 * 86_400 - 1
    await ring.identify(raw)
    assert ring.known(raw) is not None
    clock.at_s += 1
    assert ring.known(raw) is None
    with pytest.raises(Unauthenticated, match="expired"):
        await ring.identify(raw)


async def test_what_is_known_is_asked_again_after_a_quarter_of_an_hour(
    ring: KeyRing, counted: Counted, clock: HandClock, key: NewKey
) -> None:
    await ring.identify(key.api_key.encode())
    clock.at_s += CACHE_TTL_S
    assert ring.known(key.api_key.encode()) is None
    await ring.identify(key.api_key.encode())
    assert counted.reads == 2


async def test_failures_are_not_remembered(ring: KeyRing, counted: Counted, database: SqlDatabase, key: NewKey) -> None:
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="not known"):
            await ring.identify(STRANGER)
    assert counted.reads == 3
    digest = digest_of(STRANGER)
    assert digest is not None
    sql_text = "UPDATE api_keys SET hash = :hash"
    await database.write(lambda tx: tx.run(sql_text, hash=digest))
    assert (await ring.identify(STRANGER)).key == key.record.id


@pytest.mark.parametrize("raw", [None, b"", b"inf_", b"x" * 100_000, b"\x00" * 47, STRANGER + b"\n", b"'; --"])
async def test_nonsense_is_refused_without_a_look_into_the_database(
    ring: KeyRing, counted: Counted, raw: bytes | None
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await ring.identify(raw, PEER)
    assert counted.reads == 0
    assert refused.value.status == 401


async def test_ten_bad_keys_lock_the_address_for_good_keys_too(ring: KeyRing, clock: HandClock, key: NewKey) -> None:
    raw = key.api_key.encode()
    await ring.identify(raw, PEER)
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await ring.identify(STRANGER, PEER)
    assert ring.known(raw, PEER) is None
    with pytest.raises(RateLimited) as refused:
        await ring.identify(raw, PEER)
    assert refused.value.code == "IP_LOCKED"
    assert ring.known(raw, "203.0.113.8") is not None
    clock.at_s += 900
    assert (await ring.identify(raw, PEER)).key == key.record.id
    assert ring.known(raw, PEER) is not None


async def test_a_request_without_a_key_is_no_guess(ring: KeyRing, key: NewKey) -> None:
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await ring.identify(None, PEER)
    await ring.identify(key.api_key.encode(), PEER)


async def test_an_admin_key_of_somebody_who_is_admin_no_more_only_calls(
    ring: KeyRing, users: Users, database: SqlDatabase
) -> None:
    _, key = await users.create("root@example.com", admin=True)
    caller = await ring.identify(key.api_key.encode())
    assert require_admin(caller) is caller
    await database.write(lambda tx: (tx.run("UPDATE users SET admin = 0"), tx.announce()))
    with pytest.raises(Forbidden):
        require_admin(await ring.identify(key.api_key.encode()))


async def test_an_old_form_key_works_and_only_admins_may_name_a_channel(
    ring: KeyRing, users: Users, database: SqlDatabase
) -> None:
    old = b"sk-" + b"aB3z" * 12
    user, key = await users.create("old@example.com")
    digest = digest_of(old)
    await database.write(lambda tx: tx.run("UPDATE api_keys SET hash = :hash", hash=digest))
    assert (await ring.identify(old)).user == user.id
    with pytest.raises(Forbidden, match="channel"):
        await ring.identify(old + b"-12")
    assert ring.known(old + b"-12") is None
    await database.write(lambda tx: tx.run("UPDATE users SET admin = 1"))
    await database.write(lambda tx: tx.run("UPDATE api_keys SET scope = 'admin'"))
    assert (await ring.identify(old + b"-12")).key == key.record.id


async def test_limits_travel_with_the_caller(ring: KeyRing, keys: ApiKeys, key: NewKey) -> None:
    limits = KeyLimits(requests_per_minute=3, models=("gpt-*", "modèle"))
    new = await keys.create(key.record.user, "narrow", limits)
    caller = await ring.identify(new.api_key.encode())
    assert caller == Caller(key.record.user, new.record.id, Scope.CALL, limits, new.record.expires_at_s)


async def test_use_is_noted_in_one_write_and_never_backwards(
    ring: KeyRing, keys: ApiKeys, clock: HandClock, key: NewKey, database: SqlDatabase
) -> None:
    await ring.note_use()
    await ring.identify(key.api_key.encode())
    clock.at_s += 5
    ring.known(key.api_key.encode())
    await ring.note_use()
    assert [one.last_used_at_s for one in await keys.of(key.record.user)] == [clock.at_s]
    await database.write(lambda tx: store.touch_keys(tx, {key.record.id: clock.at_s - 100}))
    assert [one.last_used_at_s for one in await keys.of(key.record.user)] == [clock.at_s]


async def test_the_ring_stays_small(database: SqlDatabase, clock: HandClock, users: Users) -> None:
    ring = KeyRing(database, clock, size=3)
    for number in range(6):
        _, key = await users.create(f"u{number}@example.com")
        await ring.identify(key.api_key.encode())
    assert len(ring._callers) == 3
    assert ring.known(key.api_key.encode()) is not None


async def test_another_database_handle_on_the_same_file_shares_the_epoch(database: SqlDatabase, tmp_path: Path) -> None:
    other = sql.open("sqlite://", tmp_path)
    before = database.epoch()
    await other.write(lambda tx: tx.announce())
    assert database.epoch() != before
    await other.close()
