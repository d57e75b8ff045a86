"""A plan's credit comes each month and carries nothing over; upgrades hold at once, downgrades when the cycle ends."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.auth.conftest import HandClock
from tests.gateway.billing.conftest import House, furnished
from tollway.backends import sql
from tollway.core.caller import Caller, PlanRules
from tollway.core.errors import BadRequest, NotFound
from tollway.core.ids import LeaseId, UserId
from tollway.gateway.ledger import store

DAY_S = 86_400.0


def at(clock: HandClock, *when: int) -> None:
    """Set the clock to a moment in UTC."""
    clock.at_s = datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


async def test_a_new_user_of_the_free_plan_has_its_credit_and_the_bonus_once(house: House) -> None:
    user = await house.newcomer("ada", "free")
    assert await house.pots(user) == {"plan": 500.0, "promo": 500.0}
    at(house.clock, 2027, 2, 20)
    assert await house.pots(user) == {"plan": 500.0, "promo": 500.0}


async def test_a_user_without_a_plan_gets_nothing_by_himself(house: House) -> None:
    user = await house.newcomer("ada")
    assert (await house.users.find(user)).plan == "none"
    assert await house.pots(user) == {}


async def test_an_unknown_plan_makes_no_user(house: House) -> None:
    with pytest.raises(BadRequest, match="no plan 'gold'"):
        await house.newcomer("ada", "gold")
    with pytest.raises(NotFound):
        await house.users.find("ada@example.com")


async def test_an_upgrade_opens_the_new_credit_at_once_with_a_cycle_of_its_own(house: House) -> None:
    at(house.clock, 2027, 1, 10)
    user = await house.newcomer("ada", "free")
    at(house.clock, 2027, 1, 31, 12)
    changed = await house.subscriptions.change(user, "guru", "admin")
    assert (changed.plan, changed.next_plan) == ("guru", None)
    assert (await house.pots(user))["plan"] == 10_000.0, "the rest of the old plan's credit lapsed"
    at(house.clock, 2027, 2, 28, 11, 59)
    begun = await house.database.read(lambda tx: store.allowance(tx, user))
    assert begun is not None
    assert begun.cycle_end == datetime(2027, 2, 28, 12, tzinfo=UTC).timestamp(), "the anchor is the 31st, noon"
    await house.pots(user)
    at(house.clock, 2027, 2, 28, 12)
    assert (await house.pots(user))["plan"] == 10_000.0


async def test_a_downgrade_waits_for_the_end_of_the_cycle(house: House) -> None:
    at(house.clock, 2027, 3, 5)
    user = await house.newcomer("ada", "pro")
    at(house.clock, 2027, 3, 20)
    changed = await house.subscriptions.change(user, "free", "admin")
    assert (changed.plan, changed.next_plan) == ("pro", "free")
    assert changed.next_plan_at_s == datetime(2027, 4, 5, tzinfo=UTC).timestamp()
    assert (await house.pots(user))["plan"] == 55_000.0
    at(house.clock, 2027, 4, 5)
    assert (await house.users.find(user)).plan == "free"
    assert await house.pots(user) == {"plan": 500.0}, "a downgrade is no sign-up"
    at(house.clock, 2027, 5, 6)
    assert await house.pots(user) == {"plan": 500.0}


async def test_a_downgrade_to_no_plan_ends_the_monthly_credit(house: House) -> None:
    user = await house.newcomer("ada", "guru")
    await house.subscriptions.change(user, "none", "admin")
    assert await house.pots(user) == {"plan": 10_000.0}
    house.clock.at_s += 32 * DAY_S
    assert await house.pots(user) == {}
    assert await house.database.read(lambda tx: store.allowance(tx, user)) is None
    assert (await house.subscriptions.change(user, "guru", "admin")).plan == "guru"
    assert await house.pots(user) == {"plan": 10_000.0}


async def test_a_downgrade_may_be_wanted_at_once(house: House) -> None:
    user = await house.newcomer("ada", "pro")
    house.clock.at_s += DAY_S
    assert (await house.subscriptions.change(user, "guru", "admin", at_once=True)).plan == "guru"
    assert await house.pots(user) == {"plan": 10_000.0}


async def test_choosing_the_present_plan_again_takes_a_downgrade_back(house: House) -> None:
    user = await house.newcomer("ada", "pro")
    await house.subscriptions.change(user, "guru", "admin")
    assert (await house.subscriptions.change(user, "pro", "admin")).next_plan is None
    house.clock.at_s += 32 * DAY_S
    assert (await house.users.find(user)).plan == "pro"
    assert await house.pots(user) == {"plan": 55_000.0}


async def test_the_same_plan_again_gives_nothing_again(house: House) -> None:
    user = await house.newcomer("ada", "guru")
    for _ in range(3):
        await house.subscriptions.change(user, "guru", "admin")
    assert await house.pots(user) == {"plan": 10_000.0}


async def test_a_downgrade_to_come_gives_way_to_an_upgrade(house: House) -> None:
    user = await house.newcomer("ada", "guru")
    await house.subscriptions.change(user, "free", "admin")
    house.clock.at_s += DAY_S
    changed = await house.subscriptions.change(user, "pro", "admin")
    assert (changed.plan, changed.next_plan) == ("pro", None)
    house.clock.at_s += 32 * DAY_S
    assert (await house.users.find(user)).plan == "pro"
    assert await house.pots(user) == {"plan": 55_000.0}


async def test_top_ups_and_promotions_outlive_every_change(house: House) -> None:
    user = await house.newcomer("ada", "free")
    gift = store.Grant(user, 7_000_000, "topup", "admin", "paid", "r1", house.clock.now_s())
    await house.database.write(lambda tx: store.grant(tx, gift))
    for plan in ("guru", "pro", "none"):
        house.clock.at_s += DAY_S
        await house.subscriptions.change(user, plan, "admin", at_once=True)
    assert await house.pots(user) == {"promo": 500.0, "topup": 7.0}


async def test_what_calls_have_set_aside_stays_theirs_through_every_change_of_plan(house: House) -> None:
    user = await house.newcomer("ada", "guru")
    now_s = house.clock.now_s()
    wish = store.Wish(
        lease=LeaseId("lease"), owner=user, process="p", fence=0, need=10**9, waiting=10**9, want=10**9, at=now_s,
        expires_at=now_s + 60,
    )  # fmt: skip
    taken = await house.database.write(lambda tx: store.take(tx, wish))
    assert taken.amount == 10**9
    house.clock.at_s += 1
    await house.subscriptions.change(user, "pro", "admin")
    assert await house.pots(user) == {"plan": 55_000.0}, "the new plan's credit covers the lease"
    await house.subscriptions.change(user, "free", "admin", at_once=True)
    assert await house.pots(user) == {"plan": 1_000.0}, "what is leased lapses only when it comes back"
    back = await house.database.write(
        lambda tx: store.give_back(tx, wish.lease, taken.fence, None, house.clock.now_s())
    )
    assert back == 10**9
    assert await house.pots(user) == {"plan": 500.0}


async def test_what_a_plan_brings_changes_with_the_next_cycle(house: House) -> None:
    user = await house.newcomer("ada", "guru")
    await house.database.write(
        lambda tx: tx.run("UPDATE allowances SET amount = amount - 1000000 WHERE owner = :owner", owner=user)
    )
    assert await house.subscriptions.keep_up() == 1
    assert await house.subscriptions.keep_up() == 0
    assert await house.pots(user) == {"plan": 10_000.0}
    begun = await house.database.read(lambda tx: store.allowance(tx, user))
    assert begun is not None
    assert begun.amount == house.subscriptions.plans.find("guru").monthly


async def known(house: House, raw: bytes) -> Caller:
    """The caller as the ring remembers him, once the last change has reached it."""
    async with asyncio.timeout(10):
        while (caller := house.ring.known(raw)) is None:
            await house.ring.identify(raw)
    return caller


async def test_a_key_carries_its_owners_plan_from_the_very_next_call(house: House) -> None:
    user, key = await house.users.create("ada@example.com", plan="free")
    raw = key.api_key.encode()
    assert (await known(house, raw)).plan == PlanRules("free", "fast", 10, 0)
    await house.subscriptions.change(user.id, "pro", "admin")
    assert house.ring.known(raw) is None, "the ring was emptied"
    assert (await house.ring.identify(raw)).plan == PlanRules("pro", "all", 100, 2)


async def test_a_downgrade_reaches_keys_in_use_when_the_cycle_ends(house: House) -> None:
    user, key = await house.users.create("ada@example.com", plan="pro")
    raw = key.api_key.encode()
    changed = await house.subscriptions.change(user.id, "free", "admin")
    assert changed.next_plan_at_s is not None
    house.clock.at_s = changed.next_plan_at_s - 10
    assert (await known(house, raw)).plan.name == "pro"
    house.clock.at_s = changed.next_plan_at_s - 0.001
    assert house.ring.known(raw) is not None
    house.clock.at_s = changed.next_plan_at_s
    assert house.ring.known(raw) is None
    assert (await house.ring.identify(raw)).plan.name == "free"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["none", "free", "guru", "pro"]), st.booleans(), st.integers(1, 45)), max_size=8
    )
)
async def test_whatever_the_order_of_changes_one_plan_holds_and_its_credit_is_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool, int]]
) -> None:
    database = sql.open("sqlite://", tmp_path_factory.mktemp("plans"))
    await database.migrate()
    house = furnished(database, HandClock())
    user = await house.newcomer("ada", "free")
    monthly = {plan.name: plan.monthly / 1_000_000 for plan in house.subscriptions.plans}
    for plan, at_once, days in steps:
        await house.subscriptions.change(user, plan, "admin", at_once=at_once)
        house.clock.at_s += days * DAY_S
        held = await house.users.find(user)
        assert (await house.pots(user)).get("plan", 0.0) == monthly[held.plan], "nothing was spent, so all of it"
        if held.next_plan is None:
            continue
        assert monthly[held.next_plan] < monthly[held.plan]
    house.clock.at_s += 40 * DAY_S
    held = await house.users.find(user)
    assert held.next_plan is None
    if steps:
        assert held.plan == steps[-1][0], "in the end the last wish holds"
    assert (await house.pots(UserId(user))).get("plan", 0.0) == monthly[held.plan]
    assert await house.differences() == []
    await database.close()
