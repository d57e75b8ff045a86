"""A running process learns of new prices by itself, and sells at each card from its time on."""

from tests.gateway.cards.conftest import Shop


async def test_a_process_hears_of_an_activation_at_its_next_look(shop: Shop) -> None:
    assert await shop.board.news() is None
    number = await shop.activated("[prices.echo]\noutput = 6")
    assert await shop.charged() == f"card-{number}"
    assert await shop.board.news() is None


async def test_a_known_card_begins_in_time_though_nobody_says_so_again(shop: Shop) -> None:
    begins_s = shop.clock.now_s() + 30
    number = await shop.activated("[prices.echo]\noutput = 6", begins_s)
    assert await shop.board.news() is None
    shop.clock.at_s = begins_s - 0.01
    assert await shop.board.news() is None
    shop.clock.at_s = begins_s
    assert await shop.charged() == f"card-{number}"


async def test_a_known_card_begins_in_time_though_the_database_is_away(shop: Shop) -> None:
    begins_s = shop.clock.now_s() + 120
    number = await shop.activated("[prices.echo]\noutput = 6", begins_s)
    assert await shop.board.news() is None
    shop.line.cut = True
    shop.clock.at_s = begins_s
    assert await shop.charged() == f"card-{number}"


async def test_a_database_that_comes_back_is_asked_again(shop: Shop) -> None:
    shop.line.cut = True
    assert await shop.board.news() is None
    number = await shop.activated("[prices.echo]\noutput = 6")
    shop.line.cut = False
    shop.clock.at_s += 2
    assert await shop.charged() == f"card-{number}"


async def test_an_activation_whose_news_is_lost_is_heard_of_within_a_minute(shop: Shop) -> None:
    assert await shop.board.news() is None
    shop.line.deaf = True
    number = await shop.activated("[prices.echo]\noutput = 6")
    shop.clock.at_s += 59
    assert await shop.board.news() is None
    shop.clock.at_s += 1
    assert await shop.charged() == f"card-{number}"


async def test_the_cards_of_the_files_are_kept_so_that_old_receipts_can_be_read(shop: Shop) -> None:
    await shop.board.note_listed(shop.listed)
    await shop.board.note_listed(shop.listed)
    echo, _ = await shop.shelf.one("echo")
    (kept,) = (await shop.shelf.past(echo)).listed
    assert kept[:2] == ("echo", shop.listed.version)
