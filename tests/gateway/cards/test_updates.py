"""Prices are proposed, compared, and activated for a time; nobody changes what holds without having seen it."""

import asyncio

import pytest

from tests.gateway.cards.conftest import Shop, sheet
from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.gateway.cards.updates import Decided, Jump, PricesChanged
from tollway.kit.toml import TomlError

DAY_S = 86_400.0


async def test_a_proposal_changes_nothing_until_it_is_activated(shop: Shop) -> None:
    number = await shop.proposed("[prices.echo]\noutput = 6")
    assert await shop.sold() == (shop.listed.version, "5")
    update = await shop.updates.activate(number, "bob")
    assert await shop.sold() == (f"card-{number}", "6")
    assert (update.row.author, update.row.reason, update.row.decided_by) == ("ann", "because", "bob")


async def test_the_difference_is_shown_field_by_field(shop: Shop) -> None:
    update = await shop.updates.propose(sheet("[prices.echo]\noutput = 6\ncache_read = 0.2"), "ann", "because")
    (model,) = update.compared
    assert (model.model, model.old_version, model.new_version) == ("echo", shop.listed.version, "card-1")
    shown = [(one.field, str(one.old), str(one.new), str(one.percent)) for one in model.changes]
    assert shown == [("output", "5.00", "6", "20.00"), ("cache_read", "0.10", "0.2", "100.00")]


async def test_a_row_states_a_whole_card_and_a_price_table_only_what_changes(shop: Shop) -> None:
    whole = '[[models]]\nid = "echo"\nprice.input = 1\nprice.output = 5'
    update = await shop.updates.propose(sheet(whole), "ann", "because")
    assert {one.field for one in update.compared[0].changes} >= {"cache_read", "per_tool_call.web_search"}
    update = await shop.updates.propose(sheet("[prices.echo]\nper_tool_call.code = 0.02"), "ann", "because")
    assert [one.field for one in update.compared[0].changes] == ["per_tool_call.code"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[prices.echo]\ninput = -1", "prices.echo.input: is negative"),
        ("[prices.echo]\ninput = nan", "prices.echo.input: is not a number"),
        ("[prices.echo]\ninput = inf", "is not a number"),
        ("[prices.echo]\ninput = 1e9", "is above"),
        ("[prices.echo]\ninput = 0.0000000000001", "digits after the point"),
        ("[prices.echo]\ninput = true", "prices.echo.input"),
        ("[prices.echo]\nper_tool_call.x = -1", "prices.echo.per_tool_call.x: is negative"),
        ("[prices.echo]\ninptu = 1", "inptu"),
        ("[prices.echo]\ninput = 0\noutput = 0", "nothing is sold for nothing"),
        ("[prices.echo]\nlong_input = 2", "is missing beside a long price"),
        ("[prices.gpt-9]\ninput = 1\n[prices.gpt-10]\ninput = 1", "not on sale here: gpt-9, gpt-10"),
        ("[prices.gpt-5.2]\ninput = 1", "needs quotes"),
        ('[[models]]\nid = "echo"\nprice.input = 1', "output"),
        ('[[models]]\nid = "echo"', "price: is missing"),
        ('[[models]]\nid = "echo"\nname = "x"\nprice.input = 1\nprice.output = 1', "name: is no price"),
        ("[[models]]\nprice.input = 1", "needs the id"),
        ('[[models]]\nid = "echo"\nprice.input = 1\nprice.output = 1\n[prices.echo]\ninput = 1', "stated twice"),
        ("[price]\nx = 1", "is not known here"),
        ("", "nothing is proposed"),
    ],
)
async def test_what_no_price_can_be_is_refused_by_name_and_not_kept(shop: Shop, text: str, problem: str) -> None:
    with pytest.raises(TomlError, match=r"new\.toml") as refused:
        await shop.updates.propose(sheet(text), "ann", "because")
    assert problem in str(refused.value)
    assert await shop.updates.page(10) == []


async def test_a_jump_must_be_meant(shop: Shop) -> None:
    number = await shop.proposed("[prices.echo]\noutput = 25.01")
    with pytest.raises(Jump, match=r"echo output 5\.00 -> 25\.01"):
        await shop.updates.activate(number, "bob")
    assert await shop.sold() == (shop.listed.version, "5")
    await shop.updates.activate(number, "bob", force=True)
    assert await shop.sold() == (f"card-{number}", "25.01")


async def test_a_card_holds_from_its_time_on_and_not_before(shop: Shop) -> None:
    begins_s = shop.clock.now_s() + DAY_S
    number = await shop.proposed("[prices.echo]\noutput = 6")
    await shop.updates.activate(number, "bob", begins_s)
    shop.clock.at_s = begins_s - 0.001
    assert await shop.sold() == (shop.listed.version, "5")
    shop.clock.at_s = begins_s
    assert await shop.sold() == (f"card-{number}", "6")


async def test_of_two_cards_the_one_that_begins_later_holds_whenever_they_were_activated(shop: Shop) -> None:
    now_s = shop.clock.now_s()
    later = await shop.activated("[prices.echo]\noutput = 7", now_s + 2 * DAY_S)
    sooner = await shop.activated("[prices.echo]\noutput = 6", now_s + DAY_S)
    shop.clock.at_s = now_s + 1.5 * DAY_S
    assert await shop.sold() == (f"card-{sooner}", "6")
    shop.clock.at_s = now_s + 2.5 * DAY_S
    assert await shop.sold() == (f"card-{later}", "7")


async def test_a_proposal_is_compared_with_what_holds_when_it_is_to_begin(shop: Shop) -> None:
    now_s = shop.clock.now_s()
    first = await shop.activated("[prices.echo]\noutput = 6", now_s + DAY_S)
    update = await shop.updates.propose(sheet("[prices.echo]\noutput = 9"), "ann", "because", now_s + 2 * DAY_S)
    assert update.compared[0].old_version == f"card-{first}"
    await shop.updates.activate(update.row.id, "bob")
    shop.clock.at_s = now_s + 2 * DAY_S
    assert await shop.sold() == (f"card-{update.row.id}", "9")


async def test_what_was_compared_with_other_prices_must_be_proposed_again(shop: Shop) -> None:
    mine, yours = await shop.proposed("[prices.echo]\noutput = 6"), await shop.proposed("[prices.echo]\noutput = 7")
    await shop.updates.activate(yours, "bob")
    with pytest.raises(PricesChanged, match="propose it again"):
        await shop.updates.activate(mine, "ann", force=True)
    assert await shop.sold() == (f"card-{yours}", "7")


async def test_of_many_activations_at_once_exactly_one_wins(shop: Shop) -> None:
    numbers = [await shop.proposed(f"[prices.echo]\noutput = {price}") for price in (4, 6, 7, 8)]
    tries = [shop.updates.activate(number, "bob") for number in numbers * 3]
    done = await asyncio.gather(*tries, return_exceptions=True)
    won = [one for one in done if not isinstance(one, BaseException)]
    assert len(won) == 1
    assert all(isinstance(one, Decided | PricesChanged) for one in done if isinstance(one, BaseException))
    assert (await shop.sold())[0] == f"card-{won[0].row.id}"


async def test_parallel_activations_of_different_models_all_win(shop: Shop) -> None:
    models = ("echo", "claude-haiku", "claude-opus", "kimi-k2.5")
    numbers = [await shop.proposed(f'[prices."{model}"]\ninput = 1.5') for model in models]
    await asyncio.gather(*(shop.updates.activate(number, "bob", force=True) for number in numbers))
    assert [(await shop.sold(model))[0] for model in models] == [f"card-{number}" for number in numbers]


async def test_what_is_over_cannot_be_changed(shop: Shop) -> None:
    number = await shop.proposed("[prices.echo]\noutput = 6")
    with pytest.raises(BadRequest, match="is over"):
        await shop.updates.activate(number, "bob", shop.clock.now_s() - 1)
    with pytest.raises(BadRequest, match="is over"):
        await shop.proposed("[prices.echo]\noutput = 6", shop.clock.now_s() - 1)


async def test_a_card_that_is_to_come_can_be_withdrawn_one_that_holds_cannot(shop: Shop) -> None:
    begins_s = shop.clock.now_s() + DAY_S
    number = await shop.activated("[prices.echo]\noutput = 6", begins_s)
    await shop.updates.withdraw(number, "ann")
    shop.clock.at_s = begins_s + 1
    assert await shop.sold() == (shop.listed.version, "5")
    holding = await shop.activated("[prices.echo]\noutput = 6")
    with pytest.raises(Decided, match="already active"):
        await shop.updates.withdraw(holding, "ann")
    with pytest.raises(Decided, match="already withdrawn, by ann"):
        await shop.updates.activate(number, "bob")


async def test_a_model_can_go_back_to_what_the_files_list(shop: Shop) -> None:
    await shop.activated("[prices.echo]\noutput = 6")
    await shop.activated('[prices]\necho = "listed"')
    assert await shop.sold() == (shop.listed.version, "5")
    past = await shop.shelf.past((await shop.shelf.one("echo"))[0])
    assert [card.update for card in past.cards] == [2, 1]


async def test_a_local_engines_model_gets_a_card_of_its_own(shop: Shop) -> None:
    number = await shop.activated('[prices."vllm/llama"]\ninput = 0.2')
    assert (await shop.sold("vllm/llama"))[0] == f"card-{number}"
    assert (await shop.sold("vllm/other"))[0] == shop.listed.version


async def test_the_one_that_waits_needs_no_name(shop: Shop) -> None:
    with pytest.raises(NotFound):
        await shop.updates.waiting()
    first = await shop.proposed("[prices.echo]\noutput = 6")
    assert await shop.updates.waiting() == first
    second = await shop.proposed("[prices.echo]\noutput = 7")
    with pytest.raises(TollwayError, match=f"{second}, {first}"):
        await shop.updates.waiting()
