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
