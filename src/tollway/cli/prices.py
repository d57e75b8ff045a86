"""`tollway prices`: what models are sold at, and how their prices change."""

from pathlib import Path
from typing import Any

import click

from tollway.cli.office import USAGE, Office, leave, operator, run
from tollway.cli.table import Row, json_option, say_json, show, show_one
from tollway.core.errors import BadRequest
from tollway.gateway.admin.moments import moment
from tollway.gateway.cards.shelf import Shelf
from tollway.gateway.cards.show import show_listed, show_past, show_row, show_sold, show_update
from tollway.gateway.cards.updates import PriceUpdates
from tollway.gateway.catalog import Catalog
from tollway.gateway.stock import known_providers
from tollway.kit.toml import Sheet, TomlError, read
from tollway.settings import Settings

Argv = dict[str, Any]


def point_in_time(text: str) -> float:
    """Unix seconds of a date or time."""
    try:
        return moment(text, "at")
    except BadRequest as error:
        raise click.BadParameter(error.message) from error


at_option = click.option(
    "--at", "at_s", type=point_in_time, metavar="TIME", help="From when on: 2027-01-31 or 2027-01-31T12:00Z (UTC)."
)
number_argument = click.argument("number", type=click.IntRange(1, 2**62), required=False)


def listed(settings: Settings) -> Catalog:
    """What the files sell, whatever price cards say. Ends the process with 2 when they cannot be used."""
    local = [one.name for one in known_providers().values() if one.local_price]
    try:
        return Catalog.load(settings.sheet, local)
    except TomlError as error:
        leave(str(error), USAGE)


def shelf_of(office: Office) -> Shelf:
    """What is sold, as the database and the files say."""
    return Shelf(office.database, office.clock, listed(office.settings))


def updates_of(office: Office) -> PriceUpdates:
    """The updates of the office's database."""
    return PriceUpdates(office.database, office.clock, listed(office.settings))


@click.group("prices")
def command() -> None:
    """Show, propose and activate prices, in US dollars per million tokens before margin."""


@command.command("list")
@json_option
@click.pass_obj
def everything(argv: Argv, as_json: bool) -> None:
    """List what every model is sold at, and what is to come."""

    async def work(office: Office) -> list[Row]:
        catalog, rows = await shelf_of(office).everything()
        return [show_sold(model, rows.get(model.id, [])) for model in catalog]

    found = run(argv, work)
    for row in [] if as_json else found:
        row |= {name: row["price"].get(name) for name in ("input", "output", "cache_read", "per_image")}
        row["next"] = [f"{one['version']} at {one['effective_at']}" for one in row["next"]]
    columns = ("model", "input", "output", "cache_read", "per_image", "version", "since", "next")
    show(found, columns, as_json, "no models")


@command.command("show")
@click.argument("model")
@json_option
@click.pass_obj
def one(argv: Argv, model: str, as_json: bool) -> None:
    """Show what a model is sold at, and what is to come."""

    async def work(office: Office) -> Row:
        return show_sold(*await shelf_of(office).one(model))

    found = run(argv, work)
    if as_json:
        say_json(found)
        return
    coming = found.pop("next")
    show_one(found | found.pop("price"), as_json=False)
    for card in coming:
        click.echo(f"from {card['effective_at']}  {card['version']}")
        show_one({f"  {name}": value for name, value in (card["price"] or {}).items()} or {"  ": "listed"}, False)


@command.command("propose")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--reason", required=True, help="Why; kept with the cards.")
@click.option("--author", default=operator, help="Who proposes; kept with the cards.")
@at_option
@json_option
@click.pass_obj
def propose(argv: Argv, /, file: Path, reason: str, author: str, at_s: float | None, as_json: bool) -> None:
    """Propose the prices in a TOML FILE and show what they would change; nothing changes before `activate`."""
    sheet = _sheet(file)

    async def work(office: Office) -> Row:
        try:
            return show_update(await updates_of(office).propose(sheet, author, reason, at_s))
        except TomlError as error:
            raise BadRequest(str(error)) from error

    _say(run(argv, work), as_json)


def _sheet(file: Path) -> Sheet:
    try:
        return read(file)
    except TomlError as error:
        leave(str(error), USAGE)


@command.command("diff")
@number_argument
@json_option
@click.pass_obj
def diff(argv: Argv, number: int | None, as_json: bool) -> None:
    """Show what a price update changes; without NUMBER, the one that waits for a decision."""

    async def work(office: Office) -> Row:
        updates = updates_of(office)
        return show_update(await updates.one(number or await updates.waiting()))

    _say(run(argv, work), as_json)


@command.command("activate")
@number_argument
@at_option
@click.option("--force", is_flag=True, help="Also when a price changes out of all proportion.")
@click.option("--author", default=operator, help="Who decides; kept with the cards.")
@json_option
@click.pass_obj
def activate(argv: Argv, /, number: int | None, at_s: float | None, force: bool, author: str, as_json: bool) -> None:
    """Let the prices of an update hold, at once or from a date on; calls in flight keep the old ones."""

    async def work(office: Office) -> Row:
        updates = updates_of(office)
        chosen = number or await updates.waiting()
        return show_update(await updates.activate(chosen, author, at_s, force=force))

    _say(run(argv, work), as_json)


@command.command("withdraw")
@number_argument
@click.option("--author", default=operator, help="Who decides; kept with the cards.")
@json_option
@click.pass_obj
def withdraw(argv: Argv, number: int | None, author: str, as_json: bool) -> None:
    """Take back an update that does not hold yet."""

    async def work(office: Office) -> Row:
        updates = updates_of(office)
        return show_update(await updates.withdraw(number or await updates.waiting(), author))

    _say(run(argv, work), as_json)


@command.command("history")
@click.argument("model", required=False)
@json_option
@click.pass_obj
def history(argv: Argv, model: str | None, as_json: bool) -> None:
    """List the latest updates, or all cards of a MODEL and what the files said before."""

    async def of_model(office: Office) -> list[Row]:
        shelf = shelf_of(office)
        sold, _ = await shelf.one(model or "")
        past = await shelf.past(sold)
        return [show_past(row) for row in past.cards] + [show_listed(row) for row in past.listed]

    async def of_all(office: Office) -> list[Row]:
        return [show_row(row) for row in await updates_of(office).page(1000)]

    if model is not None:
        show(run(argv, of_model), ("version", "effective_at", "first_seen_at", "replaced", "price"), as_json)
        return
    columns = ("number", "state", "author", "reason", "proposed_at", "decided_by", "effective_at")
    show(run(argv, of_all), columns, as_json, "no updates")


def _say(update: Row, as_json: bool) -> None:
    if as_json:
        say_json(update)
        return
    models, jumps = update.pop("models"), update.pop("jumps")
    show_one(update, as_json=False)
    click.echo()
    lines = [{"model": each["model"], **change} for each in models for change in each["changes"]]
    for line in lines:
        line["change"] = f"{line['percent']} %" if line["percent"] is not None else None
        line["note"] = "JUMP" if line["jump"] else None
    show(lines, ("model", "field", "old", "new", "change", "note"), False, "nothing changes")
    if jumps and update["state"] == "proposed":
        click.echo("\nMarked changes are out of all proportion: `activate` wants --force for them.")
