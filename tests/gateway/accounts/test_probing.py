"""A pool's channel that rests is probed through an account, whose own books stay as they are."""

from pathlib import Path

import pytest

from tests.gateway.accounts.hall import MODEL, Hall, open_hall
from tests.mocks import codex
from tests.mocks.accounts import TOKEN_PATH, Vendor, refusal
from tollway.core.ids import LaneId
from tollway.gateway.accounts.account import State
from tollway.gateway.pipeline.prober import Prober
from tollway.gateway.routing.circuit import Why


def prober_of(hall: Hall) -> Prober:
    """It finds every rest over."""
    hub = hall.stage.hub

    def late_s() -> float:
        return hub.clock.monotonic_s() + 700.0

    return Prober(hub.health, lambda: hub.router.candidates, hub.upstream, late_s, hub.lenders)


async def probed(hall: Hall, why: Why = Why.UNPAID, pool: str = "claude") -> bool:
    """Whether the pool's channel is well after one probe."""
    hub = hall.stage.hub
    circuit = hub.health.of(LaneId(pool), "" if why is Why.UNPAID else MODEL)
    circuit.close()
    circuit.refuse(hub.clock.monotonic_s(), why)
    prober = prober_of(hall)
    prober.round()
    await prober.settled()
    return circuit.why is None


async def test_a_probe_through_an_account_closes_the_circuit_and_stays_out_of_all_books(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann") as hall:
        before = await hall.stage.last_receipts()
        assert await probed(hall)
        (question,) = hall.calls()
        assert question.headers["x-probe"] == "synthetic" and hall.who() == ["at-ann-0"]
        assert await hall.stage.last_receipts() == before
        assert (await hall.chat()).status == 200
        await hall.stage.quiet()


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_a_refusal_of_a_probe_counts_against_no_account_and_the_next_one_is_asked(
    tmp_path: Path, status: int
) -> None:
    async with open_hall(tmp_path, "ann", "bob") as hall:
        hall.vendor["ann"].always = hall.vendor["bob"].always = refusal(status, retry_after="600")
        for _ in range(4):
            assert not await probed(hall)
        assert len(hall.calls()) == 8
        hall.vendor["bob"].always = None
        assert await probed(hall)
        await hall.written()
        for name in ("ann", "bob"):
            account = hall.in_file(name)
            assert (account.state, account.consecutive_failures, account.cooldowns) == (State.ACTIVE, 0, 0)
        assert (await hall.chat()).status == 200


async def test_a_probe_proves_no_account_on_probation(tmp_path: Path) -> None:
    kept = {"probation": True, "consecutive_failures": 2}
    async with open_hall(tmp_path, "ann", kept=kept) as hall:
        assert await probed(hall)
        await hall.written()
        account = hall.in_file("ann")
        assert (account.probation, account.consecutive_failures) == (True, 2)


async def test_an_account_at_rest_is_not_disturbed_and_no_paid_key_is_spent(tmp_path: Path) -> None:
    until = 4_000_000_000_000
    async with open_hall(tmp_path, "ann", paid=True, kept={"state": "cooldown", "cooldown_until": until}) as hall:
        assert not await probed(hall)
        assert not hall.calls()


async def test_an_account_whose_token_is_good_is_preferred_to_one_that_has_to_be_renewed(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", kept={"expires_at": 1_000}) as hall:
        assert await probed(hall)
        assert [one.path for one in hall.server.requests].count(TOKEN_PATH) == 1
        assert await probed(hall)
        assert [one.path for one in hall.server.requests].count(TOKEN_PATH) == 1


async def test_a_vendor_that_is_down_keeps_the_channel_at_rest(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann") as hall:
        hall.vendor["ann"].always = refusal(500)
        assert not await probed(hall, Why.FAILURES)
        assert len(hall.calls()) == 1, "what the vendor says of itself no other account would hear otherwise"
        hall.vendor["ann"].always = None
        assert await probed(hall, Why.FAILURES)


async def test_an_account_that_only_streams_is_probed_too(tmp_path: Path) -> None:
    vendor = Vendor("ann", wire=codex.app, refuse=codex.error)
    async with open_hall(tmp_path, vendor=vendor, provider="codex_subscription") as hall:
        assert await probed(hall, pool="codex")
