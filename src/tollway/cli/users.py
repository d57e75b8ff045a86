"""`tollway users`: make, show, change and credit users, also while the gateway runs."""

from typing import Any

import click

from tollway.cli.office import Office, operator, run
from tollway.cli.options import budgets_option, budgets_wanted, credits, no_budget_option
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.money import NanoUsd
from tollway.gateway.admin.show import show_balance, show_user
from tollway.gateway.admin.users import UserChange
from tollway.gateway.auth.store import User

Argv = dict[str, Any]


@click.group("users")
def command() -> None:
    """Make, show, change and credit users."""


@command.command("create")
@click.argument("email")
@click.option("--credits", "amount", type=credits, default="0", help="First credit.")
@click.option("--admin", is_flag=True, help="The user may administer the hub.")
@click.option("--plan", help="Default: the setting; for administrators none.")
@click.option("--organisation", default="", help="The organisation (id or name) the user belongs to.")
@click.option("--strict", is_flag=True, help="Every call of his holds its worst case.")
@click.option("--group", help="Default: default.")
@budgets_option
@json_option
@click.pass_obj
def create(argv: Argv, /, email: str, amount: NanoUsd, as_json: bool, **wish: Any) -> None:
    """Make a user with an API key, which is shown this once."""
    if amount < 0:
        raise click.BadParameter("must not be negative", param_hint="--credits")
    budgets = budgets_wanted(wish["budgets"], none=False) or ()
    wanted = UserChange(budgets, wish["strict"], wish["organisation"], wish["group"])

    async def work(office: Office) -> Row:
        user, key = await office.users.create(email, admin=wish["admin"], plan=wish["plan"], wanted=wanted)
        if amount:
            await office.ledger.grant(user.id, amount, "promo", operator(), "first credit")
        balance = show_balance(await office.ledger.balance(user.id))
        made = {"user_id": user.id, "email": user.email, "key_id": key.record.id, "api_key": key.api_key}
        return made | {"plan": user.plan, "credits": balance["credits"]}

    show_one(run(argv, work, makes=True), as_json)


@command.command("list")
@json_option
@click.pass_obj
def everybody(argv: Argv, as_json: bool) -> None:
    """List all users."""

    async def work(office: Office) -> list[Row]:
        found: list[Row] = []
        while page := await office.users.page(1000, found[-1]["id"] if found else ""):
            budgets = await office.spending.of({user.id: user.budgets for user in page})
            found += [show_user(user) | {"budgets": budgets[user.id]} for user in page]
        return found

    show(run(argv, work), ("id", "email", "plan", "group", "admin", "budgets", "created_at"), as_json, "no users")


async def whole(office: Office, user: User) -> Row:
    """A user with his budgets and his balance."""
    budgets = await office.spending.of({user.id: user.budgets})
    balance = show_balance(await office.ledger.balance(user.id))
    return show_user(user) | {"budgets": budgets[user.id], "balance": balance}


@command.command("show")
@click.argument("user")
@json_option
@click.pass_obj
def one(argv: Argv, user: str, as_json: bool) -> None:
    """Show a user, by id or e-mail address."""

    async def work(office: Office) -> Row:
        return await whole(office, await office.users.find(user))

    show_one(run(argv, work), as_json)


@command.command("set")
@click.argument("user")
@click.option("--plan", help="A downgrade waits for the end of the running cycle.")
@click.option("--at-once", is_flag=True, help="A downgrade does not wait.")
@click.option("--organisation", help="The organisation (id or name) the user belongs to; empty: none.")
@click.option("--strict/--no-strict", default=None, help="Whether every call of his holds its worst case.")
@click.option("--group", help="What his calls cost and which channels they may use.")
@budgets_option
@no_budget_option
@json_option
@click.pass_obj
def change(argv: Argv, /, user: str, plan: str | None, as_json: bool, **wish: Any) -> None:
    """Change a user's plan, organisation and budgets; all of it holds from his next call on."""
    budgets = budgets_wanted(wish["budgets"], wish["no_budget"])
    wanted = UserChange(budgets, wish["strict"], wish["organisation"], wish["group"])
    if plan is None and wanted == UserChange():
        raise click.UsageError("say what to change: --plan, --budget, --organisation, --group or --strict")

    async def work(office: Office) -> Row:
        found = await office.users.find(user)
        if plan is not None:
            office.subscriptions.plans.find(plan)  # all of the change, or nothing of it
        if wanted != UserChange():
            found = await office.users.change(found.id, wanted)
        if plan is not None:
            found = await office.subscriptions.change(found.id, plan, operator(), at_once=wish["at_once"])
        return await whole(office, found)

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
    """Give a user credits; a negative number takes some back, never more than is free."""
    if not amount:
        raise click.BadParameter("must not be zero", param_hint="CREDITS")

    async def work(office: Office) -> Row:
        found = await office.users.find(user)
        kind, author, reason, reference = (note[name] for name in ("kind", "author", "reason", "reference"))
        done = await office.ledger.grant(found.id, amount, kind, author, reason, reference)
        return {"user_id": found.id, "granted": done, "balance": show_balance(await office.ledger.balance(found.id))}

    show_one(run(argv, work), as_json)


command.add_command(create, "add")
command.add_command(grant, "credit")
