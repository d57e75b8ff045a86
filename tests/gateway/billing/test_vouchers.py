"""A voucher is redeemed once by a user and at most so often in all, whoever tries at the same time."""

import asyncio
from pathlib import Path

import pytest

from tests.gateway.billing.conftest import House, furnished
from tollway.backends import sql
from tollway.core.errors import BadRequest, NotFound, RateLimited, TollwayError
from tollway.core.money import NanoUsd
from tollway.gateway.billing.codes import CodeRefused
from tollway.gateway.billing.vouchers import GUESSES, NewVoucher

FIVE = NanoUsd(5_000_000)


async def test_a_voucher_adds_its_worth_to_the_top_up_balance_once(house: House) -> None:
    user, other = await house.newcomer("ada"), await house.newcomer("bob")
    made = await house.vouchers.create(NewVoucher(FIVE, "admin", "Spring-27", most=2))
    assert made.code == "SPRING-27"
    assert await house.vouchers.redeem(user, "  spring-27 ") == FIVE
    with pytest.raises(CodeRefused) as refused:
        await house.vouchers.redeem(user, "SPRING-27")
    assert (refused.value.status, refused.value.code) == (409, "voucher_already_redeemed")
    assert await house.vouchers.redeem(other, "SPRING-27") == FIVE
    assert await house.pots(user) == await house.pots(other) == {"topup": 5.0}
    assert (await house.vouchers.find("spring-27")).redeemed == 2


async def test_a_refusal_says_why_and_costs_no_redemption(house: House) -> None:
    user, late = await house.newcomer("ada"), await house.newcomer("bob")
    made = await house.vouchers.create(NewVoucher(FIVE, "admin", "ONCE"))
    await house.vouchers.redeem(user, made.code)
    ends = house.clock.now_s() + 60
    await house.vouchers.create(NewVoucher(FIVE, "admin", "SHORT", expires_at_s=ends))
    await house.vouchers.create(NewVoucher(FIVE, "admin", "GONE"))
    await house.vouchers.disable("gone")
    house.clock.at_s = ends
    for code, why in (("ONCE", "exhausted"), ("SHORT", "expired"), ("GONE", "disabled")):
        with pytest.raises(CodeRefused) as refused:
            await house.vouchers.redeem(late, code)
        assert refused.value.code == f"voucher_{why}"
    assert await house.pots(late) == {}
    assert [one.redeemed for one in await house.vouchers.all() if one.code != "ONCE"] == [0, 0]


async def test_a_code_nobody_chose_cannot_be_guessed(house: House) -> None:
    codes = {(await house.vouchers.create(NewVoucher(FIVE, "admin"))).code for _ in range(20)}
    assert len(codes) == 20
    assert all(len(code) == 14 and code.count("-") == 2 for code in codes)


async def test_who_guesses_is_shut_out_and_nobody_else(house: House) -> None:
    guesser, honest = await house.newcomer("ada"), await house.newcomer("bob")
    await house.vouchers.create(NewVoucher(FIVE, "admin", "REAL", most=9))
    for attempt in range(GUESSES.failures):
        with pytest.raises(NotFound):
            await house.vouchers.redeem(guesser, f"GUESS-{attempt}" if attempt % 2 else "?!")
    with pytest.raises(RateLimited) as locked:
        await house.vouchers.redeem(guesser, "REAL")
    assert (locked.value.code, locked.value.retry_after_s) == ("voucher_locked", GUESSES.locked_s)
    assert await house.vouchers.redeem(honest, "REAL") == FIVE
    house.clock.at_s += GUESSES.locked_s
    assert await house.vouchers.redeem(guesser, "REAL") == FIVE


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (NewVoucher(NanoUsd(0), "admin"), "credits"),
        (NewVoucher(NanoUsd(-1), "admin"), "credits"),
        (NewVoucher(FIVE, "admin", "a b"), "code"),
        (NewVoucher(FIVE, "admin", "abc"), "code"),
        (NewVoucher(FIVE, "admin", most=0), "max_redemptions"),
        (NewVoucher(FIVE, "admin", expires_at_s=1.0), "expires_at"),
        (NewVoucher(FIVE, "admin", note="a\nb"), "note"),
    ],
)
async def test_a_voucher_that_makes_no_sense_is_refused_by_field(house: House, wanted: NewVoucher, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await house.vouchers.create(wanted)
    assert refused.value.field == field


async def test_a_code_is_taken_once(house: House) -> None:
    await house.vouchers.create(NewVoucher(FIVE, "admin", "SAME"))
    with pytest.raises(CodeRefused) as refused:
        await house.vouchers.create(NewVoucher(FIVE, "admin", "same"))
    assert refused.value.code == "voucher_exists"


async def test_thirty_users_who_try_twice_at_once_get_ten_redemptions_from_three_processes(
    house: House, database_url: str, tmp_path: Path
) -> None:
    others = [sql.open(database_url, tmp_path) for _ in range(2)]
    desks = [house, *(furnished(database, house.clock) for database in others)]
    users = [await house.newcomer(f"u{number}") for number in range(30)]
    await house.vouchers.create(NewVoucher(FIVE, "admin", "RUSH", most=10))

    async def attempt(desk: House, number: int) -> str:
        try:
            await desk.vouchers.redeem(users[number], "RUSH")
        except TollwayError as error:
            return error.code
        return "redeemed"

    tries = [attempt(desks[(number + turn) % 3], number) for turn in range(2) for number in range(30)]
    told = await asyncio.gather(*tries)
    assert told.count("redeemed") == 10
    assert set(told) <= {"redeemed", "voucher_already_redeemed", "voucher_exhausted"}
    pots = [await house.pots(user) for user in users]
    assert sorted(pot.get("topup", 0.0) for pot in pots) == [0.0] * 20 + [5.0] * 10
    assert (await house.vouchers.find("RUSH")).redeemed == 10
    for database in others:
        await database.close()
