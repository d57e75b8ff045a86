"""The ratio of a group in the books: exact in the charge, in the ceiling and in what is affordable."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.core.model import Price, price_in
from tollway.core.money import NanoUsd
from tollway.core.usage import Usage
from tollway.gateway.metering.ceiling import Worst, affordable_output, ceiling, one_more
from tollway.gateway.metering.cost import cost

DOLLARS = st.decimals(min_value=0, max_value=200, places=4)
RATIOS = st.decimals(min_value=0, max_value=1000, places=6)
TOKENS = st.integers(0, 2_000_000)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    over = draw(st.none() | st.integers(1000, 200_000))
    return Price(
        version="1",
        input=draw(DOLLARS),
        output=draw(DOLLARS),
        cache_read=draw(st.none() | DOLLARS),
        image_model=draw(st.booleans()),
        per_tool_call={"web_search": draw(DOLLARS)},
        long_context_over=over,
        long_input=draw(DOLLARS) if over else None,
        long_output=draw(DOLLARS) if over else None,
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(TOKENS)
    read = draw(st.integers(0, total))
    calls = draw(st.integers(0, 3))
    return Usage(
        input_total=total,
        cache_read=read,
        output_total=draw(TOKENS),
        tool_calls=(("web_search", calls),) if calls else (),
    )


@settings(derandomize=True)
@given(prices(), RATIOS, usages())
def test_the_charge_is_the_exact_product_rounded_upward_once(price: Price, ratio: Decimal, usage: Usage) -> None:
    rates = price.rates_for(usage.input_total)
    here = cost(usage, price_in(price, "g", ratio))
    usual = cost(usage, price)
    read = usage.cache_read
    units = (usage.input_total - read) * rates.input + read * rates.cache_read + usage.output_total * rates.output
    units += sum(count * rates.tools[name] for name, count in usage.tool_calls)
    exact = Fraction(units * rates.charge_numerator, rates.charge_denominator) * Fraction(ratio)
    assert here.charge_nano_usd == ceil(exact)
    assert here.provider_nano_usd == usual.provider_nano_usd
    assert here.lines == usual.lines


@settings(derandomize=True)
@given(prices(), RATIOS, usages())
def test_the_hold_of_a_group_covers_whatever_its_calls_may_come_to(price: Price, ratio: Decimal, usage: Usage) -> None:
    here = price_in(price, "g", ratio)
    worst = Worst(usage.input_total, usage.output_total, tool_calls=sum(count for _, count in usage.tool_calls))
    assert cost(usage, here).charge_nano_usd <= ceiling([here], worst)


@settings(derandomize=True)
@given(prices(), RATIOS, RATIOS, usages())
def test_the_ceiling_of_several_groups_is_that_of_the_dearest(
    price: Price, one: Decimal, other: Decimal, usage: Usage
) -> None:
    worst = Worst(usage.input_total, usage.output_total)
    cards = [price_in(price, "one", one), price_in(price, "other", other)]
    assert ceiling(cards, worst) == max(ceiling([card], worst) for card in cards)
    assert ceiling(cards, worst) == ceiling([price_in(price, "dearest", max(one, other))], worst)


@settings(derandomize=True)
@given(prices(), RATIOS, st.integers(0, 100_000), st.integers(0, 10**12))
def test_what_is_affordable_in_a_group_is_covered_by_the_balance(
    price: Price, ratio: Decimal, tokens: int, balance: int
) -> None:
    here = price_in(price, "g", ratio)
    limit = affordable_output([here], Worst(tokens, 10_000), balance)
    assert 0 <= limit <= 10_000
    if limit:
        assert ceiling([here], Worst(tokens, limit)) <= balance
    if limit < 10_000:
        assert ceiling([here], Worst(tokens, limit + 1)) > balance


def test_a_group_that_pays_nothing_is_held_and_charged_nothing() -> None:
    free = price_in(Price(version="1", input=Decimal(3), output=Decimal(15)), "free", Decimal(0))
    assert cost(Usage(input_total=1000, output_total=1000), free).charge_nano_usd == 0
    assert ceiling([free], Worst(10**6, 10**6)) == one_more(free, 10) == NanoUsd(0)
    assert affordable_output([free], Worst(10**6, 500), 0) == 500
