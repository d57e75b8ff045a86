"""`tollway vault`: the keys under which secrets are sealed."""

from typing import Any

import click

from tollway.backends.localvault import new_key
from tollway.cli.channels import stored_in
from tollway.cli.office import Office, run
from tollway.cli.table import Row, json_option, show_one
from tollway.gateway.stock import vault_of

Argv = dict[str, Any]


@click.group("vault")
def command() -> None:
    """The keys under which the secrets in the database are sealed."""


@command.command("show")
@json_option
@click.pass_obj
def look(argv: Argv, as_json: bool) -> None:
    """Show the ids of the keys, newest first, and whether they open all that is sealed."""

    async def work(office: Office) -> Row:
        vault = vault_of(office.settings)
        wrong = await stored_in(office).unopenable()
        return {"from": "setting" if vault.is_stated else "file", "keys": await vault.ids(), "cannot_open": wrong}

    show_one(run(argv, work), as_json)


@command.command("rotate")
@json_option
@click.pass_obj
def rotate(argv: Argv, as_json: bool) -> None:
    """Make a new key and seal everything with it; the old ones stay, for backups."""

    async def work(office: Office) -> Row:
        vault = vault_of(office.settings)
        newest = await vault.turn()
        done, wrong = await stored_in(office).reseal()
        return {"key": newest, "keys": await vault.ids(), "resealed": done, "cannot_open": wrong}

    show_one(run(argv, work, makes=True), as_json)


@command.command("reseal")
@json_option
@click.pass_obj
def reseal(argv: Argv, as_json: bool) -> None:
    """Seal everything with the newest key, after it was put in front of TOLLWAY_VAULT_KEY on every host."""

    async def work(office: Office) -> Row:
        done, wrong = await stored_in(office).reseal()
        return {"resealed": done, "cannot_open": wrong}

    show_one(run(argv, work), as_json)


@command.command("new-key")
def make() -> None:
    """Print a new key for TOLLWAY_VAULT_KEY; nothing is changed."""
    click.echo(new_key())
