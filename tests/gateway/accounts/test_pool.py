"""Who takes the next call and what its answer means: over real HTTP, on a real file."""

from collections import Counter
from pathlib import Path

import pytest

from tests.gateway.accounts.bench import LATER, NOW_S, Bench, all_of, fault, lent
from tollway.core.errors import Unavailable
from tollway.gateway.accounts.account import Patience, State
from tollway.gateway.accounts.errand import Errand
from tollway.gateway.accounts.pool import Rules


async def test_nothing_is_read_before_the_first_call(bench: Bench) -> None:
    pool = bench.pool()
    await pool.look()
    bench.kept("ann")
    assert (await lent(pool)).account == "ann"


async def test_calls_without_a_conversation_go_round(bench: Bench) -> None:
    bench.kept()
    pool = bench.pool()
    assert Counter([(await lent(pool)).account for _ in range(9)]) == {"ann": 3, "bob": 3, "eve": 3}


async def test_a_conversation_keeps_its_account_while_it_is_usable(bench: Bench) -> None:
    bench.kept()
    pool = bench.pool()
    first = (await lent(pool, "talk")).account
    for _ in range(3):
        await lent(pool)  # others in between
        assert (await lent(pool, "talk")).account == first
    pool.failed(first, fault(429))
    second = (await lent(pool, "talk")).account
    assert second != first
    bench.now_s += 130
    assert (await lent(pool, "talk")).account == second


async def test_conversations_of_two_callers_are_two(bench: Bench) -> None:
    bench.kept()
    pool = bench.pool()
    assert (await lent(pool, "1", "ann's key")).account != (await lent(pool, "1", "bob's key")).account


async def test_a_conversation_that_was_silent_for_long_is_forgotten(bench: Bench) -> None:
    bench.kept()
    pool = bench.pool(Rules(session_s=100))
    first = (await lent(pool, "talk")).account
    bench.now_s += 101
    assert (await lent(pool, "talk")).account != first


async def test_one_call_may_try_every_account_once(bench: Bench) -> None:
    bench.kept()
    assert sorted(await all_of(Errand(bench.pool(), "key", ""))) == ["ann", "bob", "eve"]


async def test_accounts_out_of_the_pool_are_not_lent(bench: Bench) -> None:
    bench.kept("ann", state="disabled")
    assert await all_of(Errand(bench.pool(), "key", "")) == []
    bench.kept("ann", state="revoked", revoke_reason="x")
    assert await all_of(Errand(bench.pool(), "key", "")) == []


async def test_a_429_rests_the_account_for_as_long_as_its_reset_header_says(bench: Bench) -> None:
    bench.kept("ann")
    pool = bench.pool()
    await lent(pool)
    pool.failed("ann", fault(429, anthropic_ratelimit_unified_reset=str(int(NOW_S) + 500), retry_after="9"))
    assert await all_of(Errand(pool, "key", "")) == []
    nobody = pool.nobody()
    assert (nobody.status, nobody.retry_after_s, nobody.blameless) == (503, 500, True)
    bench.now_s += 499
    assert await all_of(Errand(pool, "key", "")) == []
    bench.now_s += 2
    assert await all_of(Errand(pool, "key", "")) == ["ann"]


@pytest.mark.parametrize(("head", "rests_s"), [({"retry_after": "30"}, 30), ({}, 120)])
async def test_a_429_without_one_rests_by_retry_after_or_two_minutes(
    bench: Bench, head: dict[str, str], rests_s: float
) -> None:
    bench.kept("ann")
    pool = bench.pool()
    await lent(pool)
    pool.failed("ann", fault(429, **head))
    await bench.written()
    assert bench.in_file("ann").cooldown_until == int((NOW_S + rests_s) * 1000)


async def test_after_a_cooldown_one_call_at_a_time_until_one_is_answered(bench: Bench) -> None:
    bench.kept("ann")
    pool = bench.pool()
    await lent(pool)
    pool.failed("ann", fault(429))
    bench.now_s += 121
    first, second = Errand(pool, "key", ""), Errand(pool, "key", "")
    loan = await first.borrow()
    assert loan is not None
    assert await second.borrow() is None
    pool.worked("ann")
    first.give_back(loan)
    both = [await Errand(pool, "key", "").borrow() for _ in range(2)]
    assert all(both)


async def test_a_cooldown_is_kept_over_a_restart_and_shown_to_other_processes(bench: Bench) -> None:
    bench.kept("ann", "bob")
    one, other = bench.pool(), bench.pool()
    await lent(one)
    await lent(other)
    one.failed("ann", fault(429))
    await bench.written()
    await other.look()
    assert await all_of(Errand(other, "key", "")) == ["bob"]
    assert await all_of(Errand(bench.pool(), "key", "")) == ["bob"]
    shown = bench.in_file("ann")
    assert (shown.state, shown.consecutive_failures) == (State.COOLDOWN, 1)


async def test_failures_of_two_processes_are_counted_together(bench: Bench) -> None:
    bench.kept("ann")
    one, other = bench.pool(), bench.pool()
    await lent(one)
    await lent(other)
    one.failed("ann", fault(401))
    await bench.written()
    other.failed("ann", fault(403))
    await bench.written()
    await one.look()
    one.failed("ann", fault(401))
    await bench.written()
    assert bench.in_file("ann").state is State.COOLDOWN


async def test_an_account_is_disabled_and_enabled_under_a_running_pool(bench: Bench) -> None:
    bench.kept("ann")
    pool = bench.pool()
    await lent(pool)
    bench.kept("ann", state="disabled")
    await pool.look()
    assert await all_of(Errand(pool, "key", "")) == []
    bench.kept("ann")
    await pool.look()
    assert await all_of(Errand(pool, "key", "")) == ["ann"]


# -- the file ----------------------------------------------------------------------------------------------------


async def test_a_pool_whose_file_is_torn_beyond_repair_says_so_and_touches_nothing(bench: Bench) -> None:
    bench.path.write_text("{")
    with pytest.raises(Unavailable, match="damaged"):
        await Errand(bench.pool(), "key", "").borrow()
    assert bench.path.read_text() == "{"


async def test_a_file_that_is_torn_under_a_running_pool_is_recovered(bench: Bench) -> None:
    bench.kept("ann")
    pool = bench.pool()
    await lent(pool)
    bench.path.write_text('{"version')
    await pool.look()
    assert (await lent(pool)).account == "ann"
    assert bench.in_file("ann").access_token == "at-ann-0"


async def test_what_happened_while_the_file_could_not_be_written_is_written_later(bench: Bench, tmp_path: Path) -> None:
    bench.kept("ann")
    pool = bench.pool()
    await lent(pool)
    bench.path.rename(tmp_path / "away")
    bench.path.with_name("pool_accounts.json.bak").rename(tmp_path / "away.bak")
    bench.path.mkdir()
    pool.failed("ann", fault(429))
    assert await all_of(Errand(pool, "key", "")) == []
    await pool.roster.written(0.1)
    bench.path.rmdir()
    (tmp_path / "away").rename(bench.path)
    await bench.written()
    assert bench.in_file("ann").state is State.COOLDOWN


async def test_a_patience_of_ones_own_holds(bench: Bench) -> None:
    bench.kept("ann", expires_at=LATER)
    pool = bench.pool(Rules(Patience(failures=1, refused_ms=5_000, refused_most_ms=8_000, limited_ms=1_000)))
    await lent(pool)
    pool.failed("ann", fault(403))
    assert pool.nobody().retry_after_s == 5
