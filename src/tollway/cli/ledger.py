"""`tollway ledger`: look into the books."""

import sys
from typing import Any

import click

from tollway.cli.office import WRONG, Office, leave, operator, run
from tollway.cli.options import credits
from tollway.cli.table import Row, json_option, say_json, show, show_one
from tollway.core.errors import BadRequest
from tollway.core.ids import CallId
from tollway.core.money import NanoUsd, credits_of
from tollway.gateway.admin.moments import day_after, moment
from tollway.gateway.admin.show import show_balance
from tollway.gateway.billing.refunds import Refunds, RefundWish
from tollway.gateway.ledger.audit import Sweeping, swept
from tollway.gateway.ledger.audit import audit as examine
from tollway.gateway.ledger.statement import Statement, as_csv, show_statement, six_places, statement
from tollway.kit.iso8601 import iso

Argv = dict[str, Any]


def beginning(text: str) -> float:
    """Unix seconds of a date or time."""
    try:
        return moment(text, "from")
    except BadRequest as error:
        raise click.BadParameter(error.message) from error


def ending(text: str) -> float | None:
    """Unix seconds of a time; of a date's end."""
    try:
        return day_after(text, "to")
    except BadRequest as error:
        raise click.BadParameter(error.message) from error


@click.group("ledger")
def command() -> None:
    """Look into the books."""


@command.command("audit")
@json_option
@click.pass_obj
def audit(argv: Argv, as_json: bool) -> None:
    """Recompute every balance from the journal; exits with 1 on any difference."""

    async def work(office: Office) -> tuple[list[str], list[Sweeping]]:
        return await office.database.read(lambda tx: (examine(tx), swept(tx)))

    differences, sweepings = run(argv, work)
    work_done = [one._asdict() | {"at": iso(one.at)} for one in sweepings]
    if as_json:
        told = {"exact": not differences, "differences": differences}
        say_json(told | ({"swept": work_done} if work_done else {}))
    else:
        if work_done:
            click.echo("What the sweeper did last:")
            show(work_done, ("at", "kind", "subject", "reason"), as_json=False)
            click.echo()
        for difference in differences:
            click.echo(difference)
        click.echo(f"{len(differences)} differences" if differences else "the books are exact")
    sys.exit(WRONG if differences else 0)


@command.command("statement")
@click.argument("user")
@click.option(
    "--from", "begins_s", type=beginning, metavar="TIME", help="A date or time, UTC unless it says otherwise."
)
@click.option("--to", "ends_s", type=ending, metavar="TIME", help="A date is meant to its end, a time is not included.")
@click.option("--csv", "as_table", is_flag=True, help="Print CSV for a spreadsheet.")
@json_option
@click.pass_obj
def account(
    argv: Argv, /, user: str, begins_s: float | None, ends_s: float | None, as_table: bool, as_json: bool
) -> None:
    """Show what came and went on a user's account (id or e-mail address), and what was left after each.

    Exits with 1 when the statement does not end where the books are.
    """

    if begins_s is not None and ends_s is not None and begins_s > ends_s:
        raise click.BadParameter("must not be after --to", param_hint="--from")

    async def work(office: Office) -> Statement:
        found = await office.users.find(user)
        return await statement(office.database, found.id, begins_s, ends_s)

    told = run(argv, work)
    shown = show_statement(told)
    if as_json:
        say_json(shown)
    elif as_table:
        click.echo(as_csv(told), nl=False)
    else:
        click.echo(f"opening balance  {six_places(told.opening)}")
        show(shown["lines"], ("at", "kind", "credit", "description", "author", "credits"), False, "nothing happened")
        click.echo(f"closing balance  {six_places(told.closing)}")
    if not told.exact:
        leave(f"the books say {six_places(told.books or 0)}: run `tollway ledger audit`", WRONG)


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


@command.command("refund")
@click.argument("request_id")
@click.option("--credits", "amount", type=credits, help="Default: all that was charged and not given back before.")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@click.option("--author", default=operator, help="Who gives; kept in the journal.")
@click.option("--reference", help="A second refund with the same reference does nothing.")
@json_option
@click.pass_obj
def refund(argv: Argv, /, request_id: str, amount: NanoUsd | None, as_json: bool, **note: Any) -> None:
    """Give back what a call was charged, or part of it, to the pots that paid."""

    async def work(office: Office) -> Row:
        wish = RefundWish(CallId(request_id), amount, note["author"], note["reason"], note["reference"])
        done = await Refunds(office.database, office.clock, office.ledger).make(wish)
        return {"request_id": request_id, "credits_refunded": credits_of(done), "refunded_nano_usd": done}

    show_one(run(argv, work), as_json)
