"""Shows the groups as JSON."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tollway.core.groups import Groups

Shown = dict[str, Any]


def show_groups(groups: Groups) -> Shown:
    """The whole document, ratios as numbers."""
    shown: Shown = msgspec.to_builtins(groups)
    shown["group_ratio"] = _plain(groups.group_ratio)
    shown["topup_group_ratio"] = _plain(groups.topup_group_ratio)
    shown["group_group_ratio"] = {user: _plain(ratios) for user, ratios in groups.group_group_ratio.items()}
    return shown


def show_each(groups: Groups, members: Mapping[str, int]) -> list[Shown]:
    """One row for each group."""
    return [
        {
            "name": name,
            "ratio": float(ratio),
            "label": groups.user_usable_groups.get(name, ""),
            "usable": name in groups.user_usable_groups,
            "auto": groups.auto_groups.index(name) + 1 if name in groups.auto_groups else None,
            "top_up_ratio": float(groups.topup_group_ratio.get(name, 1)),
            "users": members.get(name, 0),
        }
        for name, ratio in groups.group_ratio.items()
    ]


def _plain(ratios: Mapping[str, Decimal]) -> dict[str, float]:
    return {name: float(ratio) for name, ratio in ratios.items()}
