"""Kinds of values that several commands take."""

from decimal import Decimal, InvalidOperation

import click

from tollway.core.caller import Budget
from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd
from tollway.gateway.auth.budgets import check_budgets, parse_budget
from tollway.gateway.billing.amounts import amount_of


def credits(text: str) -> NanoUsd:
    """An exact number of credits, in nano-dollars."""
    try:
        return amount_of(Decimal(text))
    except (InvalidOperation, BadRequest) as error:
        raise click.BadParameter(f"{text!r} is not a number of credits") from error


def budget(text: str) -> Budget:
    """A budget as in `100/day@Europe/Berlin`."""
    try:
        return parse_budget(text)
    except BadRequest as error:
        raise click.BadParameter(f"{text!r}: {error.message}") from error


budgets_option = click.option(
    "--budget",
    "budgets",
    type=budget,
    multiple=True,
    metavar="CREDITS/PERIOD[@ZONE]",
    help="The most to spend in each day, week, month or in total, as in 100/day@Europe/Berlin; may be repeated.",
)
no_budget_option = click.option("--no-budget", is_flag=True, help="Take all budgets away.")


def budgets_wanted(stated: tuple[Budget, ...], none: bool) -> tuple[Budget, ...] | None:
    """The budgets that replace the present ones; None where nothing was said."""
    if stated and none:
        raise click.UsageError("--budget and --no-budget exclude each other")
    if not stated:
        return () if none else None
    try:
        return check_budgets(stated)
    except BadRequest as error:
        raise click.BadParameter(error.message, param_hint="--budget") from error
