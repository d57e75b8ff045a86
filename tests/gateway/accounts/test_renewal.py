"""Tokens that end: one refresh for all who wait, in one process and in several, and what comes of one that fails."""

import asyncio

import pytest

from tests.gateway.accounts.bench import NOW_S, SOON, Bench, lent
from tests.mocks.exchange import MockAnswer
from tollway.gateway.accounts.account import State
from tollway.gateway.accounts.errand import Errand
from tollway.gateway.accounts.pool import Rules
from tollway.gateway.accounts.state_file import StateFile


async def test_a_token_that_ends_soon_is_renewed_first_and_kept(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    pool = bench.pool()
    loan = await lent(pool)
    assert (loan.token, bench.vendor.asked) == ("at-ann-1", 1)
    known = bench.in_file("ann")
    assert (known.refresh_token, known.organization_id, known.generation) == ("rt-ann-1", "org-ann", 1)
    assert (await lent(pool)).token == "at-ann-1"
    assert bench.vendor.asked == 1


async def test_many_calls_at_once_make_one_refresh(bench: Bench) -> None:
    bench.kept("ann", expires_at=SOON)
    pool = bench.pool()
    loans = await asyncio.gather(*(Errand(pool, "key", "").borrow() for _ in range(40)))
    assert {loan.token for loan in loans if loan} == {"at-ann-1"}
    assert bench.vendor.asked == 1


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
    assert bench.vendor.asked == 1
    assert pool.roster.pool()[0].consecutive_failures == 0


async def test_defect_10_two_processes_make_one_refresh(bench: Bench) -> None:
    """Under the account's lock the file is read again: whoever comes second takes what the first has brought."""
    bench.kept("ann", expires_at=SOON)
    one, other = bench.pool(), bench.pool()
    for pool in (one, other):
        await pool.roster.load()  # both know the token that ends
    bench.server.hold()
    calls = [asyncio.ensure_future(Errand(pool, "key", "").borrow()) for pool in (one, other) for _ in range(10)]
    while not bench.server.requests:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)  # the other has found the account taken, more than once
    bench.server.release()
    loans = await asyncio.gather(*calls)
    assert [loan.token if loan else "" for loan in loans] == ["at-ann-1"] * 20
    assert bench.vendor.asked == 1
    for known in (bench.in_file("ann"), one.roster.pool()[0], other.roster.pool()[0]):
        assert (known.state, known.refresh_token, known.generation) == (State.ACTIVE, "rt-ann-1", 1)


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
    assert bench.vendor.asked == 1
    assert pool.choose("", set()) is not None  # nobody counts as busy with the call that was left


async def test_invalid_grant_revokes_and_the_next_account_is_lent(bench: Bench) -> None:
    bench.kept("ann", "bob", expires_at=SOON)
    bench.vendor["ann"].ends = True
    pool = bench.pool()
    assert (await lent(pool)).account == "bob"
    known = bench.in_file("ann")
    assert known.state is State.REVOKED
    assert known.revoke_reason.startswith("invalid_grant")
    asked = bench.vendor.asked
    assert (await lent(pool)).account == "bob"
    assert bench.vendor.asked == asked


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
