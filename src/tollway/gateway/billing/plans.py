"""The plans on offer, from our own table and the operator's file."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.resources import as_file, files
from typing import Any, Literal

import msgspec

from tollway.core.caller import PlanRules
from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd, nano_of_credits
from tollway.kit.toml import Place, Sheet, read

TABLE = "plans.toml"
NONE, FREE = "none", "free"
MOST_CREDITS = 10**10
MOST_SECONDS = 400 * 86_400
MOST_PER_MINUTE = 60_000

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class PlanRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of plans.toml, or of `[plans.<name>]`."""

    monthly_credits: Decimal | int = 0
    price_usd: Decimal | int = 0
    models: Literal["all", "fast"] = "all"
    requests_per_minute: int = 0
    priority: int = 0
    session_ttl_s: int = 86_400
    agents: bool = False
    schedule_min_s: int = 0
    sign_up_bonus: bool = False


_MOST: Mapping[str, int] = {
    "monthly_credits": MOST_CREDITS,
    "price_usd": 1_000_000,
    "requests_per_minute": MOST_PER_MINUTE,
    "priority": 100,
    "session_ttl_s": MOST_SECONDS,
    "schedule_min_s": MOST_SECONDS,
}
"""The most a field may say; beyond it a number is a slip."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a user gets each month, and what he may do with it."""

    name: str
    monthly: NanoUsd
    """Plan credit of each cycle, in nano-dollars."""
    price_usd: Decimal
    """For a month."""
    rules: PlanRules
    """What holds for his calls."""
    session_ttl_s: int
    agents: bool
    schedule_min_s: int
    sign_up_bonus: bool

    @property
    def rank(self) -> tuple[Decimal, int]:
        """Orders plans: a change to a lower rank is a downgrade."""
        return self.price_usd, self.monthly


class Plans:
    """All plans on offer; a change of the files makes new ones at the next start."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = dict(plans)

    @classmethod
    def load(cls, overrides: Sheet | None = None, default: str = NONE) -> "Plans":
        """Our table, then the operator's `[plans.<name>]`. Raises TomlError naming file, line and field, also when
        the plan that users have by `default` is none of them."""
        with as_file(files("tollway") / "data" / TABLE) as path:
            table = read(path, TABLE)
        plans = {name: _plan(name, row, table, (name,)) for name, row in table.values.items()}
        stated = overrides.values.get("plans", {}) if overrides is not None else {}
        if overrides is not None and isinstance(stated, dict):
            for name, row in stated.items():
                if isinstance(row, dict):  # the others are settings of the table itself
                    whole = {**table.values.get(name, {}), **row}
                    plans[name] = _plan(name, whole, overrides, ("plans", name))
        if default not in plans:
            sheet = overrides or Sheet("settings", {})
            raise sheet.error(("plans", "default"), f"no plan {default[:40]!r}; there are {', '.join(plans)}")
        return cls(plans)

    def __iter__(self) -> Iterator[Plan]:
        return iter(self._plans.values())

    def __contains__(self, name: object) -> bool:
        return name in self._plans

    def find(self, name: str) -> Plan:
        """The plan of that name. Raises BadRequest when there is none."""
        plan = self._plans.get(name)
        if plan is None:
            raise BadRequest(f"no plan {name[:40]!r}; there are {', '.join(self._plans)}", field="plan")
        return plan

    def rules(self, name: str) -> PlanRules:
        """What holds for the calls of a user who has the plan.

        One that is on offer no more gives what the free plan gives: nobody gains by a plan's removal.
        """
        plan = self._plans.get(name)
        if plan is not None:
            return plan.rules
        return msgspec.structs.replace(self._plans[FREE].rules, name=name)


def _plan(name: str, row: Any, sheet: Sheet, place: Place) -> Plan:
    if not _NAME.fullmatch(name):
        raise sheet.error(place, "a plan's name has up to 40 small letters, digits, - and _, a letter first")
    stated = sheet.convert(row, PlanRow, place)
    for field, most in _MOST.items():
        if not 0 <= getattr(stated, field) <= most:
            raise sheet.error((*place, field), f"must be from 0 to {most}")
    rules = PlanRules(name, stated.models, stated.requests_per_minute or None, stated.priority)
    return Plan(
        name=name,
        monthly=nano_of_credits(stated.monthly_credits),
        price_usd=Decimal(stated.price_usd),
        rules=rules,
        session_ttl_s=stated.session_ttl_s,
        agents=stated.agents,
        schedule_min_s=stated.schedule_min_s,
        sign_up_bonus=stated.sign_up_bonus,
    )
