"""`tollway plans`: list the plans on offer."""

from typing import Any

import click

from tollway.cli.office import USAGE, leave, settings_of
from tollway.cli.table import json_option, show
from tollway.gateway.billing.plans import Plans
from tollway.gateway.billing.show import show_plan
from tollway.kit.toml import TomlError

Argv = dict[str, Any]
COLUMNS = ("name", "monthly_credits", "price_usd", "models", "requests_per_minute", "priority", "agents")


@click.command("plans")
@json_option
@click.pass_obj
def command(argv: Argv, as_json: bool) -> None:
    """List the plans on offer, with what tollway.toml changes about them."""
    settings = settings_of(argv)
    try:
        plans = Plans.load(settings.sheet, settings.plans.default)
    except TomlError as error:
        leave(str(error), USAGE)
    show([show_plan(plan) for plan in plans], COLUMNS, as_json)
