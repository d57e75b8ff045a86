"""Whoever brings a newcomer is credited once for him; the leaderboard tells nobody's address."""

import asyncio

import pytest

from tests.gateway.billing.conftest import House
from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.gateway.billing.codes import CodeRefused

DAY_S = 86_400.0


async def test_a_newcomer_brings_credit_to_whoever_brought_him(house: House) -> None:
    ada, bob = await house.newcomer("ada"), await house.newcomer("bob")
    code = (await house.referrals.standing(ada)).referrer.code
    assert (await house.referrals.standing(ada)).referrer.code == code, "it stays the same"
    await house.referrals.claim(bob, f" {code.lower()} ")
    assert await house.pots(ada) == {"promo": 1000.0}
    assert await house.pots(bob) == {}
    standing = await house.referrals.standing(ada)
    assert (standing.referrer.referrals, standing.referrer.earned) == (1, 1_000_000_000)
    assert (await house.referrals.standing(bob)).claimed


async def test_nobody_is_brought_twice_by_himself_or_too_late(house: House) -> None:
    ada, bob, eve = [await house.newcomer(name) for name in ("ada", "bob", "eve")]
    codes = {user: (await house.referrals.standing(user)).referrer.code for user in (ada, bob, eve)}
    await house.referrals.claim(bob, codes[ada])
    for claimant, code, why in (
        (ada, codes[ada], "self_referral"),
        (bob, codes[eve], "already_referred"),
        (bob, codes[ada], "already_referred"),
        (ada, codes[bob], "mutual_referral"),
    ):
        with pytest.raises(CodeRefused) as refused:
            await house.referrals.claim(claimant, code)
        assert (refused.value.status, refused.value.code) == (409, why)
    house.clock.at_s += 7 * DAY_S + 1
    with pytest.raises(CodeRefused, match="a new account could claim") as refused:
        await house.referrals.claim(eve, codes[ada])
    assert refused.value.code == "too_late"
    for code in ("AAAAAAAA", "?", ""):
        with pytest.raises(NotFound):
            await house.referrals.claim(eve, code)
    assert await house.pots(ada) == {"promo": 1000.0}


async def test_friends_of_friends_cannot_close_a_ring(house: House) -> None:
    users = [await house.newcomer(f"n{number}") for number in range(5)]
    codes = [(await house.referrals.standing(user)).referrer.code for user in users]
    for claimant, code in zip(users[1:], codes, strict=False):
        await house.referrals.claim(claimant, code)
    with pytest.raises(CodeRefused) as refused:
        await house.referrals.claim(users[0], codes[4])
    assert refused.value.code == "mutual_referral"
    late = await house.newcomer("late")
    await house.referrals.claim(late, codes[4])
    board = await house.referrals.leaders(10)
    assert [one.referrals for one in board] == [1] * 5
    assert [await house.pots(user) for user in users] == [{"promo": 1000.0}] * 5


async def test_many_claims_at_once_count_once_for_each_claimant(house: House) -> None:
    ada, bob = await house.newcomer("ada"), await house.newcomer("bob")
    codes = [(await house.referrals.standing(user)).referrer.code for user in (ada, bob)]
    newcomers = [await house.newcomer(f"n{number}") for number in range(8)]

    async def attempt(claimant: str, code: str) -> bool:
        try:
            await house.referrals.claim(claimant, code)  # type: ignore[arg-type]
        except TollwayError:
            return False
        return True

    tries = [attempt(claimant, code) for claimant in newcomers for code in codes]
    told = await asyncio.gather(*tries, attempt(ada, codes[1]), attempt(bob, codes[0]))
    assert sum(told[:16]) == 8
    assert sum(told[16:]) == 1, "two users cannot bring each other, not even at one time"
    earned = [(await house.pots(user)).get("promo", 0.0) for user in (ada, bob)]
    assert sum(earned) == 9_000.0


async def test_the_leaderboard_names_nobody_who_did_not_choose_a_name(house: House) -> None:
    ada, bob = await house.newcomer("ada"), await house.newcomer("bob")
    codes = {user: (await house.referrals.standing(user)).referrer.code for user in (ada, bob)}
    for number in range(3):
        await house.referrals.claim(await house.newcomer(f"n{number}"), codes[ada])
    await house.referrals.claim(await house.newcomer("n9"), codes[bob])
    leaders = await house.referrals.leaders(10)
    assert [(one.user, one.referrals) for one in leaders] == [(ada, 3), (bob, 1)]
    assert all(one.name.startswith("friend-") and "@" not in one.name for one in leaders)
    await house.referrals.rename(bob, "  Bob the Bringer ")
    assert [one.name for one in await house.referrals.leaders(10)][1] == "Bob the Bringer"
    for name in ("", "bob@example.com", "<b>", "x" * 41):
        with pytest.raises(BadRequest):
            await house.referrals.rename(bob, name)
    assert len(await house.referrals.leaders(1)) == 1
