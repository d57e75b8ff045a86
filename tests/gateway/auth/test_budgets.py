"""Budgets as people state them: read exactly, or refused by the part that makes no sense."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.caller import Budget
from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd
from tollway.gateway.auth.budgets import PERIODS, parse_budget, read_budgets, show_budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("100/day@Europe/Berlin", Budget(NanoUsd(100_000_000), "day", "Europe/Berlin")),
        ("0.5/week", Budget(NanoUsd(500_000), "week", "UTC")),
        ("10_000/month@America/Indiana/Knox", Budget(NanoUsd(10**10), "month", "America/Indiana/Knox")),
        ("7", Budget(NanoUsd(7_000_000), "total", "UTC")),
        ("0/total", Budget(NanoUsd(0), "total", "UTC")),
    ],
)  # fmt: skip
def test_a_budget_is_read_from_a_few_words(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@given(st.decimals(0, 10**8, places=6), st.sampled_from(PERIODS), st.sampled_from(["UTC", "Asia/Kathmandu"]))
def test_what_is_shown_is_read_again_as_the_same_budget(amount: Any, period: str, tz: str) -> None:
    budget = parse_budget(f"{amount}/{period}@{tz}")
    assert read_budgets(show_budget(budget)) == (budget,)


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"amount": -1, "period": "day"}, "budget.amount"),
        ({"amount": 10**11, "period": "day"}, "budget.amount"),
        ({"amount": float("nan")}, "budget.amount"),
        ({"amount": True}, "budget.amount"),
        ({"amount": "5"}, "budget.amount"),
        ({"period": "day"}, "budget.amount"),
        ({"amount": 5, "period": "year"}, "budget.period"),
        ({"amount": 5, "period": 7}, "budget.period"),
        ({"amount": 5, "period": "day", "tz": "Europe/Atlantis"}, "budget.tz"),
        ({"amount": 5, "period": "day", "tz": "../../etc/passwd"}, "budget.tz"),
        ({"amount": 5, "period": "day", "tz": ""}, "budget.tz"),
        ({"amount": 5, "period": "day", "tz": None}, "budget.tz"),
        ({"amount": 5, "colour": "red"}, "budget.colour"),
        ([{"amount": 5}, {"amount": 5, "period": "never"}], "budget[1].period"),
        ([{"amount": 5, "period": "day"}, {"amount": 6, "period": "day", "tz": "Asia/Tokyo"}], "budget"),
        ([{"amount": 5}] * 5, "budget"),
        ("5/fortnight", "budget.period"),
        ("five/day", "budget"),
        (5, "budget"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(stated: object, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_budgets(stated)
    assert refused.value.field == field


def test_budgets_are_kept_in_the_order_of_their_periods() -> None:
    stated = [{"amount": 9, "period": "total"}, {"amount": 1, "period": "day"}]
    assert [budget.period for budget in read_budgets(stated)] == ["day", "total"]
    assert read_budgets(None) == read_budgets([]) == ()
