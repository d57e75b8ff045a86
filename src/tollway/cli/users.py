"""`tollway users`: make, show and credit users, also while the gateway runs."""

from decimal import Decimal, InvalidOperation
from typing import Any

import click

from tollway.cli.office import Office, operator, run
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd
from tollway.gateway.admin.show import amount_of, show_balance, show_user

Argv = dict[str, Any]


def credits(text: str) -> NanoUsd:
    """An exact number of credits, in nano-dollars."""
    try:
        return amount_of(Decimal(text))
    except (InvalidOperation, BadRequest) as error:
        raise click.BadParameter(f"{text!r} is not a number of credits") from error


@click.group("users")
def command() -> None:
    """Make, show and credit users."""


@command.command("create")
@click.argument("email")
@click.option("--credits", "amount", type=credits, default="0", help="First credit.")
@click.option("--admin", is_flag=True, help="The user may administer the hub.")
@json_option
@click.pass_obj
def create(argv: Argv, email: str, amount: NanoUsd, admin: bool, as_json: bool) -> None:
    """Make a user with an API key, which is shown this once."""
    if amount < 0:
        raise click.BadParameter("must not be negative", param_hint="--credits")

    async def work(office: Office) -> Row:
        user, key = await office.users.create(email, admin=admin)
        if amount:
            await office.ledger.grant(user.id, amount, "promo", operator(), "first credit")
        balance = show_balance(await office.ledger.balance(user.id))
        made = {"user_id": user.id, "email": user.email, "key_id": key.record.id, "api_key": key.api_key}
        return made | {"credits": balance["credits"]}

    show_one(run(argv, work, makes=True), as_json)


@command.command("list")
@json_option
@click.pass_obj
def everybody(argv: Argv, as_json: bool) -> None:
    """List all users."""

    async def work(office: Office) -> list[Row]:
        found: list[Row] = []
        while page := await office.users.page(1000, found[-1]["id"] if found else ""):
            found += [show_user(user) for user in page]
        return found

    show(run(argv, work), ("id", "email", "plan", "admin", "created_at"), as_json, "no users")


@command.command("show")
@click.argument("user")
@json_option
@click.pass_obj
def one(argv: Argv, user: str, as_json: bool) -> None:
    """Show a user, by id or e-mail address."""

    async def work(office: Office) -> Row:
        found = await office.users.find(user)
        return show_user(found) | {"balance": show_balance(await office.ledger.balance(found.id))}

    show_one(run(argv, work), as_json)


@command.command("grant", context_settings={"ignore_unknown_options": True})
@click.argument("user")
@click.argument("amount", type=credits, metavar="CREDITS")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@click.option("--author", default=operator, help="Who gives; kept in the journal.")
@click.option("--kind", type=click.Choice(["plan", "promo", "topup"]), default="promo", show_default=True)
@click.option("--reference", help="A second grant with the same reference does nothing.")
@json_option
@click.pass_obj
def grant(argv: Argv, /, user: str, amount: NanoUsd, as_json: bool, **note: Any) -> None:
    """Give a user credits; a negative number takes some back."""
    if not amount:
        raise click.BadParameter("must not be zero", param_hint="CREDITS")

    async def work(office: Office) -> Row:
        found = await office.users.find(user)
        kind, author, reason, reference = (note[name] for name in ("kind", "author", "reason", "reference"))
        done = await office.ledger.grant(found.id, amount, kind, author, reason, reference)
        return {"user_id": found.id, "granted": done, "balance": show_balance(await office.ledger.balance(found.id))}

    show_one(run(argv, work), as_json)
