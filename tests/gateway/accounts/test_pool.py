"""Who takes the next call, what its answer means, and one refresh for all who wait: over real HTTP, on a real file."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.gateway.accounts.bench import LATER, NOW_S, SOON, Bench, fault
from tests.mocks.exchange import MockAnswer
from tollway.core.errors import Unavailable
from tollway.gateway.accounts.account import Patience, State
from tollway.gateway.accounts.errand import Errand
from tollway.gateway.accounts.pool import Pool, Rules
from tollway.gateway.accounts.state_file import StateFile
from tollway.gateway.provider import Loan


async def lent(pool: Pool, session: str = "", caller: str = "key") -> Loan:
    """One call that is answered."""
    errand = Errand(pool, caller, session)
    loan = await errand.borrow()
    assert loan is not None
    pool.worked(loan.account)
    errand.give_back(loan)
    return loan


async def all_of(errand: Errand) -> list[str]:
    """Every account that one call may try."""
    found = []
    while (loan := await errand.borrow()) is not None:
        found.append(loan.account)
        errand.give_back(loan)
    return found


def renewals(bench: Bench) -> int:
    return bench.vendor.asked


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


# -- tokens ------------------------------------------------------------------------------------------------------


async def test_a_token_that_ends_soon_is_renewed_first_and_kept(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    pool = bench.pool()
    loan = await lent(pool)
    assert (loan.token, renewals(bench)) == ("at-ann-1", 1)
    known = bench.in_file("ann")
    assert (known.refresh_token, known.organization_id, known.generation) == ("rt-ann-1", "org-ann", 1)
    assert (await lent(pool)).token == "at-ann-1"
    assert renewals(bench) == 1


async def test_many_calls_at_once_make_one_refresh(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    pool = bench.pool()
    loans = await asyncio.gather(*(Errand(pool, "key", "").borrow() for _ in range(40)))
    assert {loan.token for loan in loans if loan} == {"at-ann-1"}
    assert renewals(bench) == 1


async def test_defect_9_many_401s_at_once_make_one_refresh(bench: Bench) -> None:
    """A forced refresh compares the generation of the token that was refused."""
    bench.kept("ann")
    pool = bench.pool()
    errands = [Errand(pool, "key", "") for _ in range(40)]
    loans = [await errand.borrow() for errand in errands]
    bench.vendor.forget_tokens("ann")
    again = await asyncio.gather(*(one.renew(loan) for one, loan in zip(errands, loans, strict=True) if loan))
    assert {loan.token for loan in again if loan} == {"at-ann-1"}
    late = await errands[0].renew(loans[0])  # type: ignore[arg-type]
    assert late is not None
    assert late.token == "at-ann-1"
    assert renewals(bench) == 1
    assert pool.roster.pool()[0].consecutive_failures == 0


async def test_defect_10_two_processes_make_one_refresh(bench: Bench) -> None:
    """Under the account's lock the file is read again: whoever comes second takes what the first has brought."""
    bench.kept("ann", expires_at=SOON)
    one, other = bench.pool(), bench.pool()
    loans = await asyncio.gather(*(Errand(pool, "key", "").borrow() for pool in (one, other) for _ in range(10)))
    assert {loan.token for loan in loans if loan} == {"at-ann-1"}
    assert renewals(bench) == 1


async def test_a_caller_who_leaves_does_not_stop_the_refresh(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    pool = bench.pool()
    bench.server.hold()
    task = asyncio.ensure_future(Errand(pool, "key", "").borrow())
    while not bench.server.requests:
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.server.release()
    assert (await lent(pool)).token == "at-ann-1"
    assert bench.in_file("ann").refresh_token == "rt-ann-1"
    assert renewals(bench) == 1
    assert pool.choose("", set()) is not None  # nobody counts as busy with the call that was left


async def test_invalid_grant_revokes_and_the_next_account_is_lent(bench: Bench) -> None:
    bench.kept("ann", "bob", expires_at=SOON)
    bench.vendor["ann"].ends = True
    pool = bench.pool()
    assert (await lent(pool)).account == "bob"
    known = bench.in_file("ann")
    assert known.state is State.REVOKED
    assert known.revoke_reason.startswith("invalid_grant")
    asked = renewals(bench)
    assert (await lent(pool)).account == "bob"
    assert renewals(bench) == asked


async def test_another_failure_of_a_refresh_counts_like_a_401_and_the_next_account_is_lent(bench: Bench) -> None:
    bench.kept("ann", "bob", expires_at=SOON)
    bench.vendor.refuses.append(MockAnswer.of_json({"error": "server_error"}, 503))
    pool = bench.pool()
    assert (await lent(pool)).account == "bob"
    await bench.written()
    known = bench.in_file("ann")
    assert (known.state, known.consecutive_failures) == (State.ACTIVE, 1)


async def test_many_who_wait_for_a_refresh_that_fails_count_one_failure(bench: Bench) -> None:
    bench.kept("ann", expires_at=int(NOW_S * 1000) - 1)
    bench.vendor.refuses.append(MockAnswer.of_json({}, 500))
    pool = bench.pool()
    loans = await asyncio.gather(*(Errand(pool, "key", "").borrow() for _ in range(20)))
    assert loans == [None] * 20
    assert pool.roster.pool()[0].consecutive_failures == 1


async def test_a_token_that_cannot_be_renewed_yet_has_not_ended_is_better_than_none(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    bench.vendor.refuses.append(MockAnswer.of_json({}, 500))
    loan = await Errand(bench.pool(), "key", "").borrow()
    assert loan is not None
    assert loan.token == "at-ann-0"


async def test_a_refresh_does_not_undo_what_an_operator_brought_meanwhile(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    pool = bench.pool()
    bench.server.hold()
    task = asyncio.ensure_future(Errand(pool, "key", "").borrow())
    while not bench.server.requests:
        await asyncio.sleep(0.005)
    file = StateFile(bench.path)
    brought = bench.in_file("ann")
    bench.kept("ann", access_token="at-mine", refresh_token="rt-mine", generation=brought.generation + 1)
    file.load()
    bench.server.release()
    await task
    await bench.written()
    assert bench.in_file("ann").access_token == "at-mine"


async def test_a_process_that_is_stopped_in_its_refresh_keeps_others_from_nothing_but_that_account(
    bench: Bench,
) -> None:
    bench.kept("ann", "bob")
    stopped = StateFile(bench.path)
    held = stopped.take("ann")
    bench.kept("ann", "bob", expires_at=SOON)
    assert held is not None
    pool = bench.pool(Rules(others_s=0.1))
    assert (await lent(pool)).account == "bob"
    stopped.let_go(held)


async def test_a_pool_that_closes_keeps_what_a_refresh_under_way_brings(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    pool = bench.pool()
    bench.server.hold()
    task = asyncio.ensure_future(Errand(pool, "key", "").borrow())
    while not bench.server.requests:
        await asyncio.sleep(0.005)
    task.cancel()
    closing = asyncio.ensure_future(pool.close())
    await asyncio.sleep(0)
    bench.server.release()
    await closing
    assert bench.in_file("ann").refresh_token == "rt-ann-1"


async def test_while_a_renewal_takes_its_time_the_other_accounts_come_first(bench: Bench) -> None:
    bench.kept("ann", "bob")
    pool = bench.pool(Rules(slow_s=0.05))
    await lent(pool)
    await lent(pool)
    bench.kept("ann", "bob", expires_at=SOON)
    held = StateFile(bench.path).take("ann")
    assert held is not None
    await pool.look()
    assert (await lent(pool)).account == "bob"
    errand = Errand(pool, "key", "")
    first, waits = await errand.borrow(), asyncio.ensure_future(errand.borrow())
    assert first is not None
    assert first.account == "bob"
    await asyncio.sleep(0.1)
    assert not waits.done()  # nobody else is left: now ann is waited for
    StateFile.let_go(held)
    late = await waits
    assert late is not None
    assert (late.account, late.token) == ("ann", "at-ann-1")


async def test_a_token_that_was_refused_and_is_renewed_slowly_leaves_the_call_to_others(bench: Bench) -> None:
    bench.kept("ann", "bob")
    pool = bench.pool(Rules(slow_s=0.05))
    errand = Errand(pool, "key", "")
    loan = await errand.borrow()
    assert loan is not None
    assert loan.account == "ann"
    held = StateFile(bench.path).take("ann")
    assert held is not None
    assert await errand.renew(loan) is None
    errand.give_back(loan)
    second = await errand.borrow()
    assert second is not None
    assert second.account == "bob"
    StateFile.let_go(held)
    third = await errand.borrow()
    assert third is not None
    assert (third.account, third.token) == ("ann", "at-ann-1")
    assert pool.roster.pool()[0].consecutive_failures == 0


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
