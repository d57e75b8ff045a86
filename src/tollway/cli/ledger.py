"""`tollway ledger`: look into the books."""

import sys
from typing import Any

import click

from tollway.cli.office import WRONG, Office, run
from tollway.cli.table import Row, json_option, say_json, show_one
from tollway.gateway.admin.show import show_balance
from tollway.gateway.ledger.audit import audit as examine

Argv = dict[str, Any]


@click.group("ledger")
def command() -> None:
    """Look into the books."""


@command.command("audit")
@json_option
@click.pass_obj
def audit(argv: Argv, as_json: bool) -> None:
    """Recompute every balance from the journal; exits with 1 on any difference."""

    async def work(office: Office) -> list[str]:
        return await office.database.read(examine)

    differences = run(argv, work)
    if as_json:
        say_json({"exact": not differences, "differences": differences})
    else:
        for difference in differences:
            click.echo(difference)
        click.echo(f"{len(differences)} differences" if differences else "the books are exact")
    sys.exit(WRONG if differences else 0)


@command.command("balance")
@click.argument("user")
@json_option
@click.pass_obj
def balance(argv: Argv, user: str, as_json: bool) -> None:
    """Show what a user (id or e-mail address) has left, by source."""

    async def work(office: Office) -> Row:
        found = await office.users.find(user)
        return {"user_id": found.id, "email": found.email} | show_balance(await office.ledger.balance(found.id))

    show_one(run(argv, work), as_json)
