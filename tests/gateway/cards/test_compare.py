"""What changes between two cards, and which changes nobody can mean."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.cards.card import price_of, read, row_of, written
from tollway.gateway.cards.compare import JUMP, changes, is_jump
from tollway.gateway.price_list import PriceRow, wrong

DOLLARS = st.decimals(0, 1000, places=6)
ABOVE_ZERO = st.decimals(Decimal("0.000001"), 1000, places=6)
CLASSES = ("cache_read", "cache_write_5m", "cache_write_1h", "image_in", "audio_in", "image_out", "audio_out")


@st.composite
def cards(draw: st.DrawFn) -> PriceRow:
    parts = {name: draw(st.none() | DOLLARS) for name in (*CLASSES, "per_image")}
    tools = draw(st.dictionaries(st.sampled_from(["web_search", "code"]), DOLLARS))
    if draw(st.booleans()):
        parts |= {"long_context_over": draw(st.integers(1, 10**6)), "long_input": draw(st.none() | DOLLARS)}
    return PriceRow(input=draw(ABOVE_ZERO), output=draw(DOLLARS), per_tool_call=tools, **parts)


@given(cards(), cards())
def test_the_changes_are_exactly_the_fields_that_differ(old, new):
    found = changes(old, new)
    named = {change.field for change in found if not change.field.startswith("per_tool_call.")}
    fields = [name for name in PriceRow.__struct_fields__ if name != "per_tool_call"]
    assert named == {name for name in fields if getattr(old, name) != getattr(new, name)}
    tools = {change.field.removeprefix("per_tool_call."): change.new for change in found} | new.per_tool_call
    for name in old.per_tool_call.keys() | new.per_tool_call.keys():
        assert tools[name] == new.per_tool_call.get(name)


@given(cards())
def test_a_card_does_not_differ_from_itself_nor_from_what_is_kept_of_it(card):
    assert changes(card, card) == []
    assert read(written(card)) == card
    assert row_of(price_of(card, "card-1")) == card
    assert wrong(card) is None


@given(ABOVE_ZERO, ABOVE_ZERO)
def test_a_jump_is_more_than_five_times_or_less_than_a_fifth(old, new):
    assert is_jump(old, new) == (new / old > JUMP or new / old < Decimal(1) / JUMP)
    assert is_jump(old, new) == is_jump(new, old)
    (*_, jump) = (change.jump for change in changes(_text(old), _text(new))) if old != new else (False,)
    assert jump == is_jump(old, new)


def _text(dollars: Decimal) -> PriceRow:
    return PriceRow(input=dollars, output=Decimal(1))


@given(ABOVE_ZERO)
def test_from_nothing_and_to_nothing_is_always_a_jump(price):
    assert is_jump(Decimal(0), price)
    assert is_jump(price, Decimal(0))
    assert not is_jump(Decimal(0), Decimal(0))


def test_five_times_is_still_believed():
    assert not is_jump(Decimal(1), Decimal(5))
    assert is_jump(Decimal(1), Decimal("5.000001"))
    assert not is_jump(Decimal(5), Decimal(1))
    assert is_jump(Decimal(5), Decimal("0.999999"))


def test_a_class_that_is_no_longer_stated_is_compared_with_what_it_will_cost():
    old = PriceRow(input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"))
    (change,) = changes(old, PriceRow(input=Decimal(3), output=Decimal(15)))
    assert (change.field, change.old, change.new, change.percent) == ("cache_read", Decimal("0.3"), None, 900)
    assert change.jump


def test_a_tool_without_a_price_may_get_one_but_not_lose_it_unseen():
    bare = PriceRow(input=Decimal(1), output=Decimal(1))
    priced = PriceRow(input=Decimal(1), output=Decimal(1), per_tool_call={"web_search": Decimal("0.01")})
    assert [change.jump for change in changes(bare, priced)] == [False]
    assert [change.jump for change in changes(priced, bare)] == [True]


def test_a_price_by_the_picture_instead_of_by_its_tokens_is_a_jump_either_way():
    tokens = PriceRow(input=Decimal(1), output=Decimal(1))
    pictures = PriceRow(input=Decimal(1), output=Decimal(1), per_image=Decimal("0.04"))
    assert [change.jump for change in changes(tokens, pictures) + changes(pictures, tokens)] == [True, True]
