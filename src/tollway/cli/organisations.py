"""`tollway organisations`: make organisations, fill them and bound what they spend, also while the gateway runs."""

from collections.abc import Sequence
from typing import Any

import click

from tollway.cli.office import Office, run
from tollway.cli.options import budgets_option, budgets_wanted, no_budget_option
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.caller import Budget
from tollway.core.errors import NotFound
from tollway.gateway.admin.show import show_organisation, show_user
from tollway.gateway.admin.users import UserChange
from tollway.gateway.auth.store import Organisation

Argv = dict[str, Any]
COLUMNS = ("id", "name", "members", "budgets", "created_at")


@click.group("organisations")
def command() -> None:
    """Make organisations, fill them, bound what they spend."""


async def shown(office: Office, found: Sequence[tuple[Organisation, int]]) -> list[Row]:
    """Organisations with what they have spent."""
    budgets = await office.spending.of({one.id: one.budgets for one, _ in found})
    return [show_organisation(one, members) | {"budgets": budgets[one.id]} for one, members in found]


@command.command("create")
@click.argument("name")
@budgets_option
@json_option
@click.pass_obj
def create(argv: Argv, name: str, budgets: tuple[Budget, ...], as_json: bool) -> None:
    """Make an organisation."""
    wanted = budgets_wanted(budgets, none=False) or ()

    async def work(office: Office) -> Row:
        return (await shown(office, [(await office.organisations.create(name, wanted), 0)]))[0]

    show_one(run(argv, work, makes=True), as_json)


@command.command("list")
@json_option
@click.pass_obj
def everything(argv: Argv, as_json: bool) -> None:
    """List all organisations."""

    async def work(office: Office) -> list[Row]:
        return await shown(office, await office.organisations.all())

    show(run(argv, work), COLUMNS, as_json, "no organisations")


@command.command("set")
@click.argument("organisation")
@budgets_option
@no_budget_option
@json_option
@click.pass_obj
def change(argv: Argv, organisation: str, budgets: tuple[Budget, ...], no_budget: bool, as_json: bool) -> None:
    """Replace the budgets of an organisation (id or name)."""
    wanted = budgets_wanted(budgets, no_budget)
    if wanted is None:
        raise click.UsageError("say --budget or --no-budget")

    async def work(office: Office) -> Row:
        changed = await office.organisations.change(organisation, wanted)
        members = {one.id: count for one, count in await office.organisations.all()}
        return (await shown(office, [(changed, members.get(changed.id, 0))]))[0]

    show_one(run(argv, work), as_json)


@command.command("users")
@click.argument("organisation")
@json_option
@click.pass_obj
def members(argv: Argv, organisation: str, as_json: bool) -> None:
    """List the users of an organisation (id or name)."""

    async def work(office: Office) -> list[Row]:
        found = (await office.organisations.find(organisation)).id
        rows: list[Row] = []
        while page := await office.organisations.members(found, after=rows[-1]["id"] if rows else ""):
            rows += [show_user(user) for user in page]
        return rows

    show(run(argv, work), ("id", "email", "plan", "budgets"), as_json, "no users")


@command.command("add")
@click.argument("organisation")
@click.argument("user")
@json_option
@click.pass_obj
def join(argv: Argv, organisation: str, user: str, as_json: bool) -> None:
    """Let a user (id or e-mail address) belong to an organisation (id or name), and to no other."""

    async def work(office: Office) -> Row:
        found = await office.organisations.find(organisation)
        return show_user(await office.users.change(user, UserChange(organisation=found.id)))

    show_one(run(argv, work), as_json)


@command.command("remove")
@click.argument("organisation")
@click.argument("user")
@json_option
@click.pass_obj
def leave(argv: Argv, organisation: str, user: str, as_json: bool) -> None:
    """Let a user belong to no organisation any more."""

    async def work(office: Office) -> Row:
        found, member = await office.organisations.find(organisation), await office.users.find(user)
        if member.organisation != found.id:
            raise NotFound(f"{member.email} does not belong to {found.name}")
        return show_user(await office.users.change(member.id, UserChange(organisation="")))

    show_one(run(argv, work), as_json)
