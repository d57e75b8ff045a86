"""Groups of users and channels: who may use which, and what multiple of the price each costs."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

DEFAULT = "default"
"""The group of whoever has no other; it always exists."""
AUTO = "auto"
"""As the group of a key: the first of the automatic groups in which some channel serves the model."""
ONE = Decimal(1)


class Groups(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about groups; the words are those of relay.md 2.3. A group exists when `group_ratio` names it."""

    group_ratio: dict[str, Decimal] = msgspec.field(default_factory=lambda: {DEFAULT: ONE, "vip": ONE, "svip": ONE})
    """What a call costs times this, by the group it is made in."""
    group_group_ratio: dict[str, dict[str, Decimal]] = {}
    """Group of the user → group of the call → what replaces `group_ratio` there."""
    user_usable_groups: dict[str, str] = msgspec.field(default_factory=lambda: {DEFAULT: "Default", "vip": "VIP"})
    """Groups that any user may pick for a key, with what people read."""
    group_special_usable_group: dict[str, dict[str, str]] = {}
    """Group of the user → `+:name` (or `name`) with its label, to be added to these, or `-:name`, to be taken away."""
    auto_groups: tuple[str, ...] = (DEFAULT,)
    """Tried in this order by a key of the group `auto`."""
    default_use_auto_group: bool = False
    """Whether new keys are of the group `auto` where nobody says otherwise."""
    topup_group_ratio: dict[str, Decimal] = {}
    """What a top-up costs times this, by the group of the user."""

    def knows(self, group: str) -> bool:
        """Whether there is such a group."""
        return group in self.group_ratio

    def ratio(self, user_group: str, using_group: str) -> Decimal:
        """What the price of a call is multiplied with. Raises KeyError for a group that does not exist."""
        special = self.group_group_ratio.get(user_group, {}).get(using_group)
        return self.group_ratio[using_group] if special is None else special

    def usable_by(self, user_group: str) -> Mapping[str, str]:
        """The groups a user of this group may pick for a key, his own among them, with their labels."""
        usable = dict(self.user_usable_groups)
        usable.setdefault(user_group, user_group)
        for entry, label in self.group_special_usable_group.get(user_group, {}).items():
            name = group_of_entry(entry)
            if entry.startswith("-:"):
                usable.pop(name, None)
            else:
                usable[name] = label or name
        return {name: label for name, label in usable.items() if self.knows(name)}

    def auto_for(self, user_group: str) -> tuple[str, ...]:
        """The automatic groups that a user of this group may use, in order."""
        usable = self.usable_by(user_group)
        return tuple(name for name in self.auto_groups if name in usable)

    def tried(self, user_group: str, key_group: str) -> tuple[str, ...]:
        """The groups a call is tried in, one after another: usually one. Empty when he may use none of them.

        `key_group`: what the key says; empty means the user's own.
        """
        if key_group == AUTO:
            return self.auto_for(user_group)
        using = key_group or user_group
        return (using,) if self.knows(using) and (not key_group or using in self.usable_by(user_group)) else ()


def group_of_entry(entry: str) -> str:
    """The group that an entry `+:name`, `-:name` or `name` of `group_special_usable_group` is about."""
    return entry[2:] if entry[:2] in ("+:", "-:") else entry


USUAL_GROUPS = Groups()
"""Where nobody has said anything about groups."""
