"""`tollway receipts`: show what a call cost, and why."""

from typing import Any

import click

from tollway.cli.office import Office, run
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.errors import NotFound
from tollway.core.ids import CallId
from tollway.gateway.ledger.show import plausible, show_receipt


@click.group("receipts")
def command() -> None:
    """Show what a call cost, and why."""


@command.command("list")
@click.argument("user")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--before", help="Only calls older than the one of this request id.")
@json_option
@click.pass_obj
def page(argv: dict[str, Any], user: str, limit: int, before: str | None, as_json: bool) -> None:
    """List the receipts of a user (id or e-mail address), newest first."""

    async def work(office: Office) -> list[Row]:
        found = await office.users.find(user)
        older = None if before is None else CallId(before)
        rows = await office.ledger.receipts(found.id, limit, older) if plausible(before or "none") else None
        if rows is None:
            raise NotFound(f"no call {str(before)[:80]!r} of {found.email}")
        return [show_receipt(row, to_admin=True) for row in rows]

    rows = run(argv, work)
    for row in [] if as_json else rows:
        row["credits"] = row["charge"]["credits"]
    show(rows, ("request_id", "started_at", "model", "reason", "credits", "duration_ms"), as_json, "no receipts")


@command.command("show")
@click.argument("request_id")
@json_option
@click.pass_obj
def one(argv: dict[str, Any], request_id: str, as_json: bool) -> None:
    """Show the receipt of a call by its request id."""

    async def work(office: Office) -> Row:
        found = await office.ledger.receipt(CallId(request_id), None) if plausible(request_id) else None
        if found is None:
            raise NotFound(f"no receipt {request_id[:80]!r}")
        return show_receipt(found, to_admin=True)

    receipt = run(argv, work)
    if as_json:
        show_one(receipt, as_json=True)
        return
    attempts, lines = receipt.pop("attempts"), receipt["price"].pop("lines")
    show_one(receipt, as_json=False)
    click.echo()
    show(attempts, ("channel", "provider", "model", "status", "first_byte_ms", "fault"), False, "no attempts")
    click.echo()
    show(lines, ("what", "count", "usd_per_million"), False, "no price lines")
