"""Plans are data: our own, the operator's changes, and errors that name file, line and field."""

from decimal import Decimal

import pytest

from tollway.core.caller import NO_PLAN, PlanRules
from tollway.core.errors import BadRequest
from tollway.core.money import nano_of_credits
from tollway.gateway.billing.plans import Plans
from tollway.kit.toml import TomlError, parse


def test_the_plans_are_those_of_the_product_table() -> None:
    told = {
        plan.name: (plan.price_usd, plan.monthly // 1_000_000, plan.rules.models, plan.rules.requests_per_minute)
        for plan in Plans.load()
    }
    assert told == {
        "none": (0, 0, "all", None),
        "free": (0, 500, "fast", 10),
        "guru": (10, 10_000, "all", 30),
        "pro": (50, 55_000, "all", 100),
    }
    plans = Plans.load()
    assert [plans.find(name).session_ttl_s for name in ("free", "guru", "pro")] == [3_600, 86_400, 604_800]
    assert [plans.find(name).schedule_min_s for name in ("guru", "pro")] == [900, 300]
    assert [plans.find(name).agents for name in ("free", "guru", "pro")] == [False, True, True]
    assert plans.rules("pro").priority > plans.rules("guru").priority > plans.rules("free").priority
    assert plans.rules("none") == NO_PLAN


def test_an_operator_changes_a_plan_and_adds_another() -> None:
    sheet = parse(
        "[plans]\ndefault = 'team'\n[plans.free]\nmonthly_credits = 250.5\n"
        "[plans.team]\nprice_usd = 19.90\nmonthly_credits = 20_000\nrequests_per_minute = 60\n",
        "tollway.toml",
    )
    plans = Plans.load(sheet, "team")
    free, team = plans.find("free"), plans.find("team")
    assert free.monthly == nano_of_credits(Decimal("250.5"))
    assert (free.rules.models, free.rules.requests_per_minute) == ("fast", 10)
    assert (team.price_usd, team.rules) == (Decimal("19.90"), PlanRules("team", "all", 60, 0))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[plans.free]\nmonthly_credits = -1", "tollway.toml:2: plans.free.monthly_credits: must be from 0"),
        ("[plans.free]\n\nmodels = 'some'", "tollway.toml:3: plans.free.models: "),
        ("[plans.free]\nrequests_per_minute = 100_000", "tollway.toml:2: plans.free.requests_per_minute: must be"),
        ("[plans.guru]\ncolour = 'red'", "tollway.toml:2: plans.guru.colour: "),
        ("[plans.guru]\nmonthly_credits = 100_000_000_000", "tollway.toml:2: plans.guru.monthly_credits: must be"),
        ("[plans.'No Good']\nprice_usd = 1", "a plan's name has"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(text: str, told: str) -> None:
    with pytest.raises(TomlError) as refused:
        Plans.load(parse(text, "tollway.toml"))
    assert told in str(refused.value)


def test_an_unknown_default_plan_is_refused_where_it_stands() -> None:
    with pytest.raises(TomlError, match=r"tollway\.toml:3: plans\.default: no plan 'gold'"):
        Plans.load(parse("\n[plans]\ndefault = 'gold'\n", "tollway.toml"), "gold")


def test_an_unknown_plan_is_refused_by_name_and_a_removed_one_gives_no_more_than_free() -> None:
    plans = Plans.load()
    with pytest.raises(BadRequest, match="no plan 'gold'; there are none, free, guru, pro") as refused:
        plans.find("gold")
    assert refused.value.field == "plan"
    assert plans.rules("gold") == PlanRules("gold", "fast", 10, 0)
