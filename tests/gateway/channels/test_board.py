"""What a running process knows of stored channels, and when."""

import pytest

from tests.gateway.channels.conftest import SECRET, Store
from tollway.core.errors import OtherVault
from tollway.gateway.channels.groups import GroupBook

ROW = {"id": "eu", "provider": "openai", "key": SECRET}


async def test_a_change_is_news_once_and_a_test_of_a_channel_is_none(stock: Store) -> None:
    board, channels = stock.board(), stock.channels()
    assert (await board.begin()).channels == ()
    await channels.create(ROW, "ann")
    news = await board.news()
    assert news is not None
    assert [(one.id, one.keys, one.enabled) for one in news.channels] == [("eu", (SECRET,), True)]
    assert await board.news() is None
    await channels.change("eu", {"enabled": False}, "ann")
    news = await board.news()
    assert news is not None and not news.channels[0].enabled
    await channels.remove("eu")
    news = await board.news()
    assert news is not None and news.channels == ()


async def test_groups_are_news_as_well(stock: Store) -> None:
    board = stock.board()
    await board.begin()
    await GroupBook(stock.database, stock.clock).change({"group_ratio": {"default": 2, "vip": 1, "svip": 1}}, "ann")
    news = await board.news()
    assert news is not None and news.groups.ratio("default", "default") == 2


async def test_a_database_that_is_away_changes_nothing_and_is_asked_again(stock: Store) -> None:
    board, channels = stock.board(), stock.channels()
    await channels.create(ROW, "ann")
    assert len((await board.begin()).channels) == 1
    await channels.change("eu", {"weight": 9}, "ann")
    stock.line.cut = True
    assert await board.news() is None
    stock.line.cut = False
    assert await board.news() is None, "it rests for a moment"
    stock.clock.at_s += 2
    news = await board.news()
    assert news is not None and news.channels[0].weight == 9


async def test_a_process_with_a_wrong_vault_does_not_begin(stock: Store) -> None:
    await stock.channels().create(ROW, "ann")
    with pytest.raises(OtherVault, match="'eu' were sealed with the vault key"):
        await stock.board("other.keys").begin()
    await stock.channels().change("eu", {"enabled": False}, "ann")
    await stock.board("other.keys").begin()


async def test_a_channel_that_cannot_be_opened_any_more_stays_as_it_was_known_and_says_why(stock: Store) -> None:
    board, channels = stock.board(), stock.channels()
    await channels.create_all([ROW, {**ROW, "id": "us"}], "ann")
    await board.begin()
    spoil = "UPDATE channels SET sealed = 'tw1.00000000.AAAA', edition = 9 WHERE id = 'eu'"
    await stock.database.write(lambda tx: (tx.run(spoil), tx.announce()))
    await channels.change("us", {"weight": 4}, "ann")
    news = await board.news()
    assert news is not None
    assert [(one.id, one.weight, one.keys) for one in news.channels] == [("eu", 1, (SECRET,)), ("us", 4, (SECRET,))]
    assert "vault key" in board.problems["eu"]
