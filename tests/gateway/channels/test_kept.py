"""Channels in the database: stated as in the file, sealed, changed by several people, refused by name."""

import asyncio
import json
from typing import Any

import pytest

from tests.gateway.channels.conftest import SECRET, Store
from tollway.core.errors import BadRequest, BrokenSeal, NotFound, OtherVault
from tollway.gateway.channels.form import MOST_BYTES
from tollway.gateway.channels.kept import Changed, IdTaken
from tollway.gateway.channels.show import tails_in

ROW: dict[str, Any] = {"id": "eu", "provider": "openai", "key": SECRET}


async def test_a_channel_opens_as_it_was_stated_and_inherits_the_rest(stock: Store) -> None:
    row = {**ROW, "priority": 5, "models": {"gpt-5.2": "gpt-5.2-eu"}, "headers": {"X-Org": "secret-org"}, "tag": "eu"}
    made = await stock.channels().create(row, "ann")
    opened = await stock.channels().opened(made)
    assert (opened.keys, opened.priority, opened.models) == ((SECRET,), 5, {"gpt-5.2": "gpt-5.2-eu"})
    assert (opened.headers, opened.base_url) == ((("x-org", "secret-org"),), "https://api.openai.com/v1")
    assert (opened.idle_timeout_s, made.edition, made.changed_by) == (7.0, 1, "ann")


async def test_nothing_secret_stands_in_the_table_but_sealed(stock: Store) -> None:
    row = {**ROW, "headers": {"x-token": "hidden-1"}, "header_override": {"x-more": "hidden-2"}}
    row["proxy"] = "socks5://me:hidden-3@10.0.0.1:1080"
    made = await stock.channels().create(row, "ann")
    seen = await stock.dump()
    assert not [secret for secret in (SECRET, SECRET[3:-4], "hidden-1", "hidden-2", "hidden-3") if secret in seen]
    assert tails_in(made) == {"keys": ["sk-...6789"], "headers": ["x-token"], "header_override": ["x-more"],
                              "proxy": ["socks5://10.0.0.1:1080"]}  # fmt: skip


async def test_an_edit_replaces_what_it_states_and_keeps_the_sealed_rest(stock: Store) -> None:
    channels = stock.channels()
    await channels.create({**ROW, "priority": 5, "headers": {"x-token": "hidden"}}, "ann")
    changed = await channels.change("eu", {"weight": 3, "priority": None}, "bob")
    opened = await channels.opened(changed)
    assert (opened.weight, opened.priority, opened.keys, opened.headers) == (3, 0, (SECRET,), (("x-token", "hidden"),))
    assert (changed.edition, changed.changed_by) == (2, "bob")
    changed = await channels.change("eu", {"keys": ["sk-a", "sk-b"]}, "bob")
    assert (await channels.opened(changed)).keys == ("sk-a", "sk-b")
    changed = await channels.change("eu", {"key": "sk-c"}, "bob")
    assert (await channels.opened(changed)).keys == ("sk-c",)


async def test_a_key_as_it_is_shown_does_not_replace_the_key(stock: Store) -> None:
    channels = stock.channels()
    made = await channels.create(ROW, "ann")
    (shown,) = tails_in(made)["keys"]
    for stated, place in ({"key": shown}, "key"), ({"keys": ["sk-other-0123456789", "***"]}, r"keys\[1\]"):
        with pytest.raises(BadRequest, match=f"{place}: is a key as it is shown"):
            await channels.change("eu", stated, "bob")
    (kept,) = await channels.all()
    assert (await channels.opened(kept)).keys == (SECRET,)


async def test_of_many_who_change_different_things_at_once_nobody_is_lost(stock: Store) -> None:
    channels = stock.channels()
    await channels.create(ROW, "ann")
    fields = ({"weight": 2}, {"priority": 3}, {"tag": "x"})
    done = await asyncio.gather(*(channels.change("eu", field, "bob") for field in fields), return_exceptions=True)
    assert not [one for one in done if isinstance(one, BaseException) and not isinstance(one, Changed)]
    kept = await channels.opened(await channels.find("eu"))
    for field, outcome in zip(fields, done, strict=True):
        ((name, value),) = field.items()
        assert isinstance(outcome, Changed) or getattr(kept, name) == value


async def test_an_edit_of_what_somebody_else_has_changed_since_is_refused_on_demand(stock: Store) -> None:
    channels = stock.channels()
    await channels.create(ROW, "ann")
    await channels.change("eu", {"weight": 2}, "bob", edition=1)
    with pytest.raises(Changed, match="at edition 2"):
        await channels.change("eu", {"weight": 3}, "cid", edition=1)


async def test_an_id_is_taken_once_and_free_again_when_the_channel_is_gone(stock: Store) -> None:
    channels = stock.channels()
    await channels.create(ROW, "ann")
    with pytest.raises(IdTaken):
        await channels.create(ROW, "bob")
    await channels.remove("eu")
    with pytest.raises(NotFound):
        await channels.remove("eu")
    await channels.create(ROW, "bob")


async def test_a_group_that_a_channel_serves_cannot_go(stock: Store) -> None:
    await stock.channels().create({**ROW, "groups": ["vip"]}, "ann")
    with pytest.raises(BadRequest, match="the channel eu is in it"):
        await stock.groups.remove("vip", "ann")
    await stock.channels().change("eu", {"groups": None}, "ann")
    assert not (await stock.groups.remove("vip", "ann")).knows("vip")


async def test_several_are_kept_together_or_not_at_all(stock: Store) -> None:
    channels = stock.channels()
    with pytest.raises(IdTaken):
        await channels.create_all([ROW, {**ROW, "id": "us"}, ROW], "ann")
    assert await channels.all() == []


async def test_a_channel_without_its_key_may_be_kept_but_not_used(stock: Store) -> None:
    channels = stock.channels()
    await channels.create({"id": "eu", "provider": "openai", "enabled": False}, "ann")
    with pytest.raises(BadRequest, match="no key"):
        await channels.change("eu", {"enabled": True}, "ann")
    assert (await channels.change("eu", {"enabled": True, "key": SECRET}, "ann")).enabled


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "a#b"}, "id"),
        ({"id": "x" * 101}, "id"),
        ({"id": 5}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"provider": "nobody"}, "provider"),
        ({"provider": ["openai"]}, "provider"),
        ({"key": "sk-a\nx-evil: 1"}, "key"),
        ({"key": "sk-a\r\n"}, None),
        ({"key": "schl\u00fcssel"}, "key"),
        ({"key": ""}, "key"),
        ({"key": {"a": 1}}, "key"),
        ({"key": None, "keys": ["sk-a", "sk-a"]}, "keys[1]"),
        ({"keys": ["a", "b"]}, "keys"),
        ({"key_env": "HOME"}, "key_env"),
        ({"keys_env": "HOME"}, "keys_env"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"base_url": "http://user:pw@x/v1"}, "base_url"),
        ({"headers": {"host": "x"}}, "headers.host"),
        ({"headers": {"x": "a\nb"}}, "headers.x"),
        ({"weight": -1}, "weight"),
        ({"weight": 10**400}, "weight"),
        ({"priority": 1e300}, "priority"),
        ({"priority": float("nan")}, "priority"),
        ({"priority": True}, "priority"),
        ({"idle_timeout_s": float("inf")}, "idle_timeout_s"),
        ({"idle_timeout_s": 10**9}, "idle_timeout_s"),
        ({"groups": ["default", "nowhere"]}, "groups[1]"),
        ({"groups": ["auto"]}, "groups[0]"),
        ({"models": [1]}, "models"),
        ({"remark": "\ud800"}, "remark"),
        ({"remark": "a\0b"}, "remark"),
        ({"param_override": {"a": {"b": [float("nan")]}}}, "param_override.a.b[0]"),
        ({"model_mapping": {"a": "b", "b": "a"}}, "model_mapping"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_and_without_the_key(
    stock: Store, change: dict[str, Any], field: str | None
) -> None:
    channels = stock.channels()
    if field is None:
        await channels.create({**ROW, **change}, "ann")  # blanks around a key are no part of it
        return
    with pytest.raises(BadRequest) as refused:
        await channels.create({**ROW, **change}, "ann")
    assert (refused.value.field or "").startswith(field)
    assert SECRET not in refused.value.message and "x-evil" not in refused.value.message
    assert await channels.all() == []


async def test_a_statement_beyond_all_bounds_is_refused(stock: Store) -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    for change in ({"remark": "x" * MOST_BYTES}, {"param_override": deep}, {"keys": [f"k{n}" for n in range(1001)]}):
        with pytest.raises(BadRequest):
            await stock.channels().create({"id": "eu", "provider": "openai", **change}, "ann")


async def test_a_host_with_another_vault_is_told_so_and_spoils_nothing(stock: Store) -> None:
    await stock.channels().create(ROW, "ann")
    elsewhere = stock.channels("other.keys")
    with pytest.raises(OtherVault, match="TOLLWAY_VAULT_KEY"):
        await elsewhere.create({**ROW, "id": "us"}, "bob")
    with pytest.raises(OtherVault):
        await elsewhere.change("eu", {"weight": 2}, "bob")
    assert not (await elsewhere.change("eu", {"enabled": False}, "bob")).enabled, "switching off needs no key"
    assert (await stock.channels().opened(await stock.channels().find("eu"))).keys == (SECRET,)
    await elsewhere.remove("eu")


async def test_keys_of_one_channel_do_not_open_as_anothers(stock: Store) -> None:
    channels = stock.channels()
    await channels.create_all([ROW, {**ROW, "id": "us", "key": "sk-other"}], "ann")
    move = "UPDATE channels SET sealed = (SELECT sealed FROM channels WHERE id = 'eu') WHERE id = 'us'"
    await stock.database.write(lambda tx: tx.run(move))
    with pytest.raises(BrokenSeal):
        await channels.opened(await channels.find("us"))


async def test_everything_is_sealed_anew_with_the_newest_key(stock: Store) -> None:
    channels = stock.channels()
    before = await channels.create(ROW, "ann")
    await channels.create({"id": "echo2", "provider": "echo"}, "ann")
    text = (stock.folder / "vault.keys").read_text()
    (stock.folder / "vault.keys").write_text(json.dumps("A" * 43 + "=").strip('"') + "\n" + text)
    assert await stock.channels().reseal() == (1, [])
    after = await channels.find("eu")
    assert after.sealed.split(".")[1] != before.sealed.split(".")[1]
    assert (await stock.channels().opened(after)).keys == (SECRET,)
