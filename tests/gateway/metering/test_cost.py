"""A bill is exact, rounded upward once, and never negative."""

from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.model import Price
from tollway.core.money import IMAGE_FACTOR, MARGIN, credits_of
from tollway.core.usage import Usage
from tollway.gateway.metering.ceiling import Worst, affordable_output, ceiling
from tollway.gateway.metering.cost import cost, split

D = Decimal
SONNET = Price(
    version="t", input=D(3), output=D(15), cache_read=D("0.3"), cache_write_5m=D("3.75"), cache_write_1h=D(6)
)
GPT_4O = Price(version="t", input=D("2.5"), output=D(10), cache_read=D("1.25"))

dollars = st.decimals(min_value=0, max_value=500, places=4)
maybe = st.none() | dollars
counts = st.integers(min_value=0, max_value=3_000_000)


@st.composite
def cards(draw):
    long = draw(st.none() | st.integers(min_value=1, max_value=500_000))
    return Price(
        version="t",
        input=draw(dollars),
        output=draw(dollars),
        cache_read=draw(maybe),
        cache_write_5m=draw(maybe),
        cache_write_1h=draw(maybe),
        image_in=draw(maybe),
        audio_in=draw(maybe),
        image_out=draw(maybe),
        audio_out=draw(maybe),
        per_image=draw(maybe),
        per_tool_call=draw(st.dictionaries(st.sampled_from(["web_search", "file_search"]), dollars)),
        long_context_over=long,
        long_input=draw(maybe) if long else None,
        long_output=draw(maybe) if long else None,
        image_model=draw(st.booleans()),
    )


@st.composite
def usages(draw):
    """Usage whose parts fit into their totals."""
    read, short, long, image, audio, text = (draw(counts) for _ in range(6))
    image_out, audio_out, said = (draw(counts) for _ in range(3))
    tools = draw(st.lists(st.tuples(st.sampled_from(["web_search", "file_search", "unheard_of"]), st.integers(0, 9))))
    return Usage(
        input_total=read + short + long + image + audio + text,
        cache_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        image_in=image,
        audio_in=audio,
        output_total=said + image_out + audio_out,
        image_out=image_out,
        audio_out=audio_out,
        images=draw(st.integers(0, 4)),
        tool_calls=tuple(tools),
    )


def slow_cost(usage: Usage, price: Price) -> tuple[int, int]:
    """The definition, spelt out in fractions of dollars."""
    is_long = price.long_context_over is not None and usage.input_total > price.long_context_over
    grow_in = grow_out = Fraction(1)
    if is_long and price.long_input is not None and price.input:
        grow_in = Fraction(price.long_input) / Fraction(price.input)
    if is_long and price.long_output is not None and price.output:
        grow_out = Fraction(price.long_output) / Fraction(price.output)

    def per_million(own, parent, growth):
        return Fraction(parent if own is None else own) * growth / 1_000_000

    text_in = usage.input_uncached - usage.image_in - usage.audio_in
    text_out = usage.output_total - usage.image_out - usage.audio_out
    total = text_in * per_million(None, price.input, grow_in)
    for name in ("cache_read", "cache_write_5m", "cache_write_1h", "image_in", "audio_in"):
        total += getattr(usage, name) * per_million(getattr(price, name), price.input, grow_in)
    total += text_out * per_million(None, price.output, grow_out)
    total += usage.audio_out * per_million(price.audio_out, price.output, grow_out)
    if price.per_image and usage.images:
        total += usage.images * Fraction(price.per_image)
    else:
        total += usage.image_out * per_million(price.image_out, price.output, grow_out)
    for name, count in usage.tool_calls:
        total += count * Fraction(price.per_tool_call.get(name, 0))
    factor = Fraction(MARGIN) * (Fraction(IMAGE_FACTOR) if price.image_model else 1)
    return up(total * 1_000_000_000), up(total * factor * 1_000_000_000)


def up(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


@given(usages(), cards())
def test_whole_numbers_agree_with_fractions(usage, price):
    bill = cost(usage, price)
    assert (bill.provider_nano_usd, bill.charge_nano_usd) == slow_cost(usage, price)


@given(usages(), cards(), st.integers(1, 4))
def test_no_usage_within_the_bounds_costs_more_than_the_ceiling(usage, price, answers):
    bounds = Worst(
        usage.input_total,
        -(-usage.output_total // answers),
        answers,
        -(-usage.images // answers),
        sum(count for _, count in usage.tool_calls),
    )
    cheap = Price(version="t", input=D("0.01"), output=D("0.01"))
    assert ceiling([cheap, price], bounds) >= cost(usage, price).charge_nano_usd
    assert ceiling([cheap, price], bounds) >= ceiling([price], bounds)


@given(cards(), st.integers(0, 400_000), st.integers(0, 200_000), st.integers(1, 4), st.integers(0, 10**11))
def test_what_is_affordable_is_the_most_that_is_covered(price, tokens, most, answers, balance):
    wanted = Worst(tokens, most, answers)
    limit = affordable_output([price], wanted, balance)
    assert 0 <= limit <= most
    if limit:
        assert ceiling([price], Worst(tokens, limit, answers)) <= balance
    if limit < most:
        assert ceiling([price], Worst(tokens, limit + 1, answers)) > balance


@given(usages(), cards(), st.sampled_from(["cache_read", "output_total", "images"]))
def test_using_more_never_costs_less(usage, price, name):
    extra = {name: getattr(usage, name) + 7}
    if name == "cache_read":
        extra["input_total"] = usage.input_total + 7
    if name == "images" and not usage.images:
        return  # the first picture turns image tokens into a price by the piece
    if price.long_context_over is not None and name == "cache_read":
        return  # an operator may state a long-context price below the short one
    more = msgspec.structs.replace(usage, **extra)
    assert cost(more, price).charge_nano_usd >= cost(usage, price).charge_nano_usd


@given(st.builds(Usage, *(st.integers(-(10**6), 10**6) for _ in range(11))), cards())
def test_a_contradictory_provider_never_makes_a_negative_bill(usage, price):
    bill = cost(usage, price)
    assert 0 <= bill.provider_nano_usd <= bill.charge_nano_usd
    assert min(split(usage)) >= 0
    assert all(line.count > 0 for line in bill.lines)


def test_nothing_used_costs_nothing():
    assert cost(Usage(), SONNET)[:2] == (0, 0)
    assert cost(Usage(), SONNET).lines == ()


def test_the_hubs_worked_example_is_21_84_credits():
    bill = cost(Usage(input_total=1200, output_total=800), SONNET)
    assert bill.provider_nano_usd == 15_600_000
    assert credits_of(bill.charge_nano_usd) == 21.84


def test_cached_tokens_of_gpt_4o_are_charged_once_and_at_half():
    bill = cost(Usage(input_total=1000, cache_read=400, output_total=200), GPT_4O)
    assert bill.provider_nano_usd * Fraction(3, 2) == 6_000_000  # relay.md 8.5 states it for a group of 1.5


def test_claudes_cache_writes_have_two_prices():
    usage = Usage(
        input_total=100 + 2000 + 600 + 400, cache_read=2000, cache_write_5m=600, cache_write_1h=400, output_total=50
    )
    bill = cost(usage, SONNET)
    assert bill.provider_nano_usd == 6_300_000  # relay.md 8.5: $0.0063
    shown = {line.what: (line.count, line.usd_per_million) for line in bill.lines}
    assert shown == {
        "input": (100, "3"),
        "cache_read": (2000, "0.3"),
        "cache_write_5m": (600, "3.75"),
        "cache_write_1h": (400, "6"),
        "output": (50, "15"),
    }


def test_a_cached_prompt_is_never_counted_twice():
    """relay.md 8.8: doubled input where OpenAI and Claude usage meet."""
    all_cached = cost(Usage(input_total=1000, cache_read=1000), SONNET)
    assert all_cached.provider_nano_usd == 300_000
    more_cached_than_prompt = cost(Usage(input_total=10, cache_read=1000), SONNET)
    assert more_cached_than_prompt.provider_nano_usd == 300_000


def test_reasoning_is_part_of_the_output_not_an_addition():
    assert cost(Usage(output_total=100, reasoning=90), SONNET) == cost(Usage(output_total=100), SONNET)._replace(
        usage=Usage(output_total=100, reasoning=90)
    )


def test_audio_and_pictures_have_prices_of_their_own():
    price = Price(version="t", input=D(1), output=D(2), audio_in=D(10), image_in=D(4), audio_out=D(20), image_out=D(8))
    usage = Usage(input_total=30, audio_in=10, image_in=10, output_total=30, audio_out=10, image_out=10)
    assert cost(usage, price).provider_nano_usd == (10 + 100 + 40 + 20 + 200 + 80) * 1000


def test_a_class_without_a_price_costs_what_its_parent_costs():
    price = Price(version="t", input=D(1), output=D(2))
    usage = Usage(input_total=40, cache_read=10, audio_in=10, image_in=10, output_total=20, audio_out=10)
    assert cost(usage, price).provider_nano_usd == 40 * 1000 + 20 * 2000


def test_a_picture_sold_by_the_piece_is_64_4_credits():
    seedream = Price(version="t", input=D(0), output=D(0), per_image=D("0.04"), image_model=True)
    bill = cost(Usage(input_total=12, output_total=1300, image_out=1300, images=1), seedream)
    assert credits_of(bill.charge_nano_usd) == 64.4
    assert [(line.what, line.count, line.usd_per_million) for line in bill.lines][-1] == ("images", 1, "0.04")


def test_long_prompts_are_charged_at_the_long_price_as_a_whole():
    gemini = Price(
        version="t", input=D(2), output=D(12), cache_read=D("0.2"), long_context_over=200_000, long_input=D(4),
        long_output=D(18),
    )  # fmt: skip
    short = cost(Usage(input_total=200_000, output_total=10), gemini)
    long = cost(Usage(input_total=200_001, cache_read=1, output_total=10), gemini)
    assert short.provider_nano_usd == 200_000 * 2000 + 10 * 12_000
    assert long.provider_nano_usd == 200_000 * 4000 + 1 * 400 + 10 * 18_000
    assert {line.what: line.usd_per_million for line in long.lines}["cache_read"] == "0.4"


def test_server_tools_are_billed_by_the_call_and_an_unpriced_one_raises_an_alarm():
    price = Price(version="t", input=D(1), output=D(1), per_tool_call={"web_search": D("0.01")})
    bill = cost(Usage(input_total=1, tool_calls=(("web_search", 3), ("code_execution", 1))), price)
    assert bill.provider_nano_usd == 1000 + 30_000_000
    assert bill.unpriced == ("code_execution",)


def test_sound_and_pictures_charged_as_text_raise_an_alarm():
    heard = Usage(input_total=9, audio_in=5, image_in=2, output_total=9, image_out=4, images=1)
    assert cost(heard, SONNET).unpriced == ("audio_in", "image_out")
    seedream = Price(version="t", input=D(0), output=D(0), audio_in=D(1), per_image=D("0.04"))
    assert cost(heard, seedream).unpriced == ()
    assert cost(Usage(input_total=9, output_total=9), SONNET).unpriced == ()


def test_a_fraction_of_a_nano_dollar_is_rounded_upward_only_at_the_end():
    price = Price(version="t", input=D("0.0001"), output=D("0.0001"))
    bill = cost(Usage(input_total=1, output_total=1), price)
    assert bill.provider_nano_usd == 1  # 0.2 nano-dollars
    assert bill.charge_nano_usd == 1  # 0.28, not 1.4
    exact = D("0.0001") * 1000 * 2 * MARGIN
    assert bill.charge_nano_usd == int(exact.to_integral_value(ROUND_CEILING))


@pytest.mark.parametrize(("tokens", "output"), [(1200, 800), (0, 256), (10, 0)])
def test_the_ceiling_takes_the_dearest_input_class(tokens, output):
    assert ceiling([SONNET], Worst(tokens, output)) == (tokens * 6000 + output * 15_000) * 7 // 5


def test_a_balance_that_cannot_pay_the_prompt_affords_nothing():
    assert affordable_output([SONNET], Worst(1_000_000, 4096), 1000) == 0


def test_the_dearest_candidate_decides_what_is_affordable():
    wanted, balance = Worst(0, 100_000), 21_000_000
    assert affordable_output([GPT_4O, SONNET], wanted, balance) == 1000
    assert affordable_output([], wanted, balance) == 100_000
