"""`tollway groups`: groups of users and channels, what each costs and who may use it."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TextIO

import click

from tollway.cli.office import Office, operator, run
from tollway.cli.table import Row, json_option, say_json, show
from tollway.core.groups import Groups
from tollway.gateway.channels.groups import GroupBook, OneGroup
from tollway.gateway.channels.show_groups import show_each, show_groups

Argv = dict[str, Any]
COLUMNS = ("name", "ratio", "usable", "label", "auto", "top_up_ratio", "users")


def ratio(text: str) -> Decimal:
    """A number that prices are multiplied with."""
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise click.BadParameter(f"{text!r} is not a number") from error


@click.group("groups")
def command() -> None:
    """Make, change and show groups of users and channels."""


def _say(argv: Argv, as_json: bool, work: Callable[[GroupBook], Awaitable[Groups]], *, makes: bool = True) -> None:
    async def inside(office: Office) -> tuple[Groups, list[Row]]:
        book = GroupBook(office.database, office.clock)
        groups = await work(book)
        return groups, show_each(groups, await book.members())

    groups, each = run(argv, inside, makes=makes)
    if as_json:
        say_json({"groups": show_groups(groups), "each": each})
    else:
        show(each, COLUMNS, as_json=False)


@command.command("list")
@json_option
@click.pass_obj
def everything(argv: Argv, as_json: bool) -> None:
    """List all groups; `--json` also tells the ratios of pairs and who else may use what."""
    _say(argv, as_json, lambda book: book.read(), makes=False)


@command.command("set")
@click.argument("name")
@click.option("--ratio", type=ratio, help="Calls in the group cost times this. Default for a new one: 1.")
@click.option("--usable", "label", metavar="LABEL", help="Any user may pick it for a key, under this label.")
@click.option("--private", is_flag=True, help="No user may, unless his own group allows it.")
@click.option("--top-up-ratio", type=ratio, help="Top-ups of its users cost times this.")
@json_option
@click.pass_obj
def set_one(argv: Argv, /, name: str, as_json: bool, **wish: Any) -> None:
    """Make a group, or change what is said about it."""
    if wish["private"] and wish["label"] is not None:
        raise click.UsageError("--usable and --private exclude each other")
    _say(argv, as_json, lambda book: book.set_one(name, OneGroup(**wish), operator()))


@command.command("edit")
@click.argument("file", type=click.File(encoding="utf-8"))
@json_option
@click.pass_obj
def edit(argv: Argv, file: TextIO, as_json: bool) -> None:
    """Replace the fields that a JSON FILE (- for the standard input) states, as `list --json` shows them."""
    try:
        wanted = json.load(file, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not valid JSON: {error}", param_hint="FILE") from error
    if not isinstance(wanted, dict):
        raise click.BadParameter("must be a JSON object", param_hint="FILE")
    _say(argv, as_json, lambda book: book.change(wanted, operator()))


@command.command("remove")
@click.argument("name")
@json_option
@click.pass_obj
def remove(argv: Argv, name: str, as_json: bool) -> None:
    """Forget a group nobody is in."""
    _say(argv, as_json, lambda book: book.remove(name, operator()), makes=False)
