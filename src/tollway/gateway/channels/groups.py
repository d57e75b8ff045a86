"""Reads and changes the groups; refuses what makes no sense, naming the field."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tollway.core.errors import BadRequest, NotFound
from tollway.core.groups import AUTO, DEFAULT, ONE, USUAL_GROUPS, Groups, group_of_entry
from tollway.gateway.channels import store
from tollway.kit.toml import Sheet, TomlError
from tollway.ports import Clock, Database, Transaction

SETTING = "groups"
MOST_GROUPS = 1000
MOST_RATIO = 1000
MOST_DIGITS = 6
_NAME = re.compile(r"[A-Za-z0-9_\u0080-\uffff][\w.:\-]{0,63}")
_read = msgspec.json.Decoder(Groups).decode
_write = msgspec.json.Encoder(order="sorted").encode


def groups_in(tx: Transaction) -> Groups:
    """The groups as they are now."""
    body = store.setting(tx, SETTING)
    return USUAL_GROUPS if body is None else _read(body)


def check_user_group(tx: Transaction, group: str) -> str:
    """The group again. Raises BadRequest when there is none of that name."""
    if not groups_in(tx).knows(group):
        raise BadRequest(f"there is no group {group[:100]!r}", field="group")
    return group


def check_key_group(tx: Transaction, group: str, user_group: str) -> str:
    """The group again. Raises BadRequest unless a user of `user_group` may pick it; empty means his own."""
    groups = groups_in(tx)
    if not group or group == AUTO or group in groups.usable_by(user_group):
        return group
    if groups.knows(group):
        raise BadRequest(f"a user of the group {user_group!r} may not use the group {group!r}", field="group")
    raise BadRequest(f"there is no group {group[:100]!r}", field="group")


def first_key_group(tx: Transaction) -> str:
    """The group of a new key where nobody says otherwise."""
    return AUTO if groups_in(tx).default_use_auto_group else ""


class GroupBook:
    """All groups, as people see and change them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def read(self) -> Groups:
        """The groups as they are now."""
        return await self._database.read(groups_in)

    async def members(self) -> dict[str, int]:
        """How many users each group has; groups without any are left out."""
        return await self._database.read(store.members)

    async def change(self, wanted: Mapping[str, Any], author: str) -> Groups:
        """Replace the stated fields of `Groups`; they hold in every process from its next calls on.

        Raises BadRequest naming what makes no sense: an unknown field or group, a ratio that is none, or a group that
        goes although a user or a key is in it.
        """
        return await self._rewrite(lambda old: wanted, author)

    async def set_one(self, name: str, wanted: "OneGroup", author: str) -> Groups:
        """Make or change one group. Raises BadRequest."""
        return await self._rewrite(lambda old: _with_one(old, name, wanted), author)

    async def remove(self, name: str, author: str) -> Groups:
        """Forget a group wherever it is named. Raises NotFound, and BadRequest when something is in it."""
        return await self._rewrite(lambda old: _without_one(old, name), author)

    async def _rewrite(self, change: Callable[[Groups], Mapping[str, Any]], author: str) -> Groups:
        now_s = self._clock.now_s()

        def rewrite(tx: Transaction) -> Groups:
            store.lock_setting(tx, SETTING, _write(USUAL_GROUPS).decode(), now_s)
            old = groups_in(tx)
            new = merged(old, change(old))
            for group, member in _used(tx).items():
                if group != AUTO and not new.knows(group):
                    raise BadRequest(f"the group {group!r} cannot go: {member} is in it", field="group_ratio")
            store.put_setting(tx, SETTING, _write(new).decode(), now_s, author)
            tx.announce()
            return new

        return await self._database.write(rewrite)


class _Grouped(msgspec.Struct):
    groups: tuple[str, ...] = ()


class OneGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different about one group; None leaves a thing as it is."""

    ratio: Decimal | None = None
    label: str | None = None
    """Any user may pick the group for a key, under this label."""
    private: bool = False
    """No user may, unless his own group allows it."""
    top_up_ratio: Decimal | None = None


def _used(tx: Transaction) -> Mapping[str, str]:
    """Every group that something is in, and what."""
    channels = {
        group: f"the channel {record.id}"
        for record in store.every(tx)
        for group in msgspec.json.decode(record.body, type=_Grouped).groups
    }
    return channels | store.groups_used(tx)


def _with_one(old: Groups, name: str, wanted: OneGroup) -> Mapping[str, Any]:
    change: dict[str, Any] = {}
    if wanted.ratio is not None or not old.knows(name):
        change["group_ratio"] = {**old.group_ratio, name: ONE if wanted.ratio is None else wanted.ratio}
    if wanted.label is not None:
        change["user_usable_groups"] = {**old.user_usable_groups, name: wanted.label}
    elif wanted.private:
        change["user_usable_groups"] = _without(old.user_usable_groups, name)
    if wanted.top_up_ratio is not None:
        change["topup_group_ratio"] = {**old.topup_group_ratio, name: wanted.top_up_ratio}
    return change


def _without_one(old: Groups, name: str) -> Mapping[str, Any]:
    if not old.knows(name):
        raise NotFound(f"no group {name[:100]!r}")
    pairs = _without(old.group_group_ratio, name)
    special = _without(old.group_special_usable_group, name)
    return {
        "group_ratio": _without(old.group_ratio, name),
        "group_group_ratio": {user: _without(ratios, name) for user, ratios in pairs.items()},
        "user_usable_groups": _without(old.user_usable_groups, name),
        "group_special_usable_group": {
            user: {entry: label for entry, label in entries.items() if group_of_entry(entry) != name}
            for user, entries in special.items()
        },
        "auto_groups": [each for each in old.auto_groups if each != name],
        "topup_group_ratio": _without(old.topup_group_ratio, name),
    }


def merged(old: Groups, wanted: Mapping[str, Any]) -> Groups:
    """The groups with the stated fields replaced. Raises BadRequest naming the field."""
    stated = {**msgspec.to_builtins(old), **wanted}
    try:
        new = Sheet("groups", stated).convert(stated, Groups)
    except TomlError as error:
        raise BadRequest(
            f"{error.field}: {error.problem}" if error.field else error.problem, field=error.field
        ) from None
    for field, problem in _problems(new):
        raise BadRequest(f"{field}: {problem}", field=field)
    return new


def _problems(groups: Groups) -> Iterator[tuple[str, str]]:
    """(field, what is wrong), in order."""
    if DEFAULT not in groups.group_ratio:
        yield "group_ratio", f"the group {DEFAULT!r} cannot go"
    if len(groups.group_ratio) > MOST_GROUPS:
        yield "group_ratio", f"more than {MOST_GROUPS} groups"
    for name in groups.group_ratio:
        if name == AUTO or not _NAME.fullmatch(name):
            yield f"group_ratio.{name[:100]}", "is no name for a group"
    for field, ratios in _ratios(groups):
        for name, ratio in ratios.items():
            if not groups.knows(name):
                yield f"{field}.{name[:100]}", "there is no such group"
            if not _is_ratio(ratio):
                yield f"{field}.{name[:100]}", f"must be from 0 to {MOST_RATIO}, with at most {MOST_DIGITS} decimals"
    yield from _unknown(groups)


def _is_ratio(ratio: Decimal) -> bool:
    return ratio.is_finite() and 0 <= ratio <= MOST_RATIO and ratio == round(ratio, MOST_DIGITS)


def _ratios(groups: Groups) -> Iterator[tuple[str, Mapping[str, Decimal]]]:
    yield "group_ratio", groups.group_ratio
    yield "topup_group_ratio", groups.topup_group_ratio
    for user, ratios in groups.group_group_ratio.items():
        yield f"group_group_ratio.{user[:100]}", ratios


def _unknown(groups: Groups) -> Iterator[tuple[str, str]]:
    named = [("user_usable_groups", name) for name in groups.user_usable_groups]
    named += [("group_group_ratio", name) for name in groups.group_group_ratio]
    named += [("group_special_usable_group", name) for name in groups.group_special_usable_group]
    named += [
        (f"group_special_usable_group.{user[:100]}", group_of_entry(entry))
        for user, entries in groups.group_special_usable_group.items()
        for entry in entries
    ]
    named += [("auto_groups", name) for name in groups.auto_groups]
    for field, name in named:
        if not groups.knows(name):
            yield f"{field}.{name[:100]}", "there is no such group"


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in values.items() if each != name}
