"""Groups: what one costs, who may use which, and what is refused."""

from decimal import Decimal

import pytest

from tests.gateway.auth.conftest import HandClock
from tollway.core.errors import BadRequest, NotFound
from tollway.core.groups import AUTO, Groups
from tollway.gateway.admin.users import UserChange, Users
from tollway.gateway.auth.api_keys import ApiKeys, KeyChange
from tollway.gateway.auth.identify import KeyRing
from tollway.gateway.channels.groups import GroupBook, OneGroup
from tollway.ports import Database

STATED = Groups(
    group_ratio={"default": Decimal(1), "vip": Decimal("0.8"), "staff": Decimal("0.5")},
    group_group_ratio={"staff": {"vip": Decimal("0.1")}},
    user_usable_groups={"default": "Everybody", "vip": "Faster"},
    group_special_usable_group={"staff": {"+:staff": "House", "-:default": ""}},
    auto_groups=("staff", "vip", "default"),
)


def test_a_ratio_for_a_pair_of_groups_replaces_the_one_of_the_group() -> None:
    assert STATED.ratio("default", "vip") == Decimal("0.8")
    assert STATED.ratio("staff", "vip") == Decimal("0.1")
    with pytest.raises(KeyError):
        STATED.ratio("default", "nowhere")


def test_a_group_may_add_to_and_take_from_what_everybody_may_pick() -> None:
    assert STATED.usable_by("default") == {"default": "Everybody", "vip": "Faster"}
    assert STATED.usable_by("staff") == {"vip": "Faster", "staff": "House"}


@pytest.mark.parametrize(
    ("user", "key", "tried"),
    [
        ("default", "", ("default",)),
        ("default", "vip", ("vip",)),
        ("default", "staff", ()),
        ("default", AUTO, ("vip", "default")),
        ("staff", AUTO, ("staff", "vip")),
        ("gone", "", ()),
    ],
)
def test_a_call_is_tried_in_the_groups_its_key_and_user_say(user: str, key: str, tried: tuple[str, ...]) -> None:
    assert STATED.tried(user, key) == tried


@pytest.fixture
def book(database: Database, clock: HandClock) -> GroupBook:
    return GroupBook(database, clock)


@pytest.fixture
def users(database: Database, clock: HandClock) -> Users:
    return Users(database, clock, ApiKeys(database, clock))


async def test_users_and_keys_join_groups_that_exist_and_the_caller_carries_them(
    database: Database, book: GroupBook, users: Users, clock: HandClock
) -> None:
    keys, ring = ApiKeys(database, clock), KeyRing(database, clock)
    user, key = await users.create("ann@example.com", wanted=UserChange(group="svip"))
    caller = await ring.identify(key.api_key.encode())
    assert (caller.user_group, caller.key_group) == ("svip", "")
    with pytest.raises(BadRequest, match="there is no group 'gold'"):
        await users.change(user.id, UserChange(group="gold"))
    with pytest.raises(BadRequest, match="there is no group 'gold'"):
        await keys.create(user.id, "x", wanted=KeyChange(group="gold"))
    await book.set_one("gold", OneGroup(ratio=Decimal("1.5")), "ann")
    with pytest.raises(BadRequest, match="may not use"):
        await keys.change(key.record.id, None, KeyChange(group="gold"))
    await book.set_one("gold", OneGroup(label="Gold"), "ann")
    await keys.change(key.record.id, None, KeyChange(group="gold"))
    caller = await ring.identify(key.api_key.encode())
    assert (caller.user_group, caller.key_group) == ("svip", "gold")
    assert (await book.members()) == {"svip": 1}


async def test_new_keys_are_automatic_where_the_groups_say_so(
    database: Database, book: GroupBook, users: Users, clock: HandClock
) -> None:
    await book.change({"default_use_auto_group": True}, "ann")
    user, key = await users.create("ann@example.com")
    second = await ApiKeys(database, clock).create(user.id, "second", wanted=KeyChange(group=""))
    caller = await KeyRing(database, clock).identify(key.api_key.encode())
    assert (caller.key_group, second.record.group) == (AUTO, "")


async def test_a_group_somebody_is_in_stays(book: GroupBook, users: Users) -> None:
    user, _ = await users.create("ann@example.com", wanted=UserChange(group="vip"))
    with pytest.raises(BadRequest, match=f"'vip' cannot go: the user {user.id} is in it"):
        await book.remove("vip", "ann")
    await users.change(user.id, UserChange(group="default"))
    left = await book.remove("vip", "ann")
    assert set(left.group_ratio) == {"default", "svip"}
    assert "vip" not in left.user_usable_groups
    with pytest.raises(NotFound):
        await book.remove("vip", "ann")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"group_ratio": {"vip": 1}}, "group_ratio"),
        ({"group_ratio": {"default": -1}}, "group_ratio.default"),
        ({"group_ratio": {"default": 1e9}}, "group_ratio.default"),
        ({"group_ratio": {"default": "NaN"}}, "group_ratio.default"),
        ({"group_ratio": {"default": "1e999999999"}}, "group_ratio.default"),
        ({"group_ratio": {"default": 1, "auto": 1}}, "group_ratio.auto"),
        ({"group_ratio": {"default": 1, "a\nb": 1}}, "group_ratio.a\nb"),
        ({"group_ratio": {"default": [1]}}, "group_ratio"),
        ({"auto_groups": ["nowhere"]}, "auto_groups.nowhere"),
        ({"group_group_ratio": {"vip": {"nowhere": 2}}}, "group_group_ratio.vip.nowhere"),
        ({"group_special_usable_group": {"vip": {"-:nowhere": ""}}}, "group_special_usable_group.vip.nowhere"),
        ({"user_usable_groups": None}, "user_usable_groups"),
        ({"ratio": 1}, "ratio"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name_and_changes_nothing(
    book: GroupBook, wanted: dict[str, object], field: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        await book.change(wanted, "ann")
    assert refused.value.field == field
    assert await book.read() == Groups()
