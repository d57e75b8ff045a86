"""`tollway vouchers`: make, list and disable vouchers, also while the gateway runs."""

from typing import Any

import click

from tollway.cli.office import Office, operator, run
from tollway.cli.options import credits
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.money import NanoUsd
from tollway.gateway.billing.show import show_voucher
from tollway.gateway.billing.vouchers import NewVoucher, Vouchers
from tollway.kit.iso8601 import seconds_of

Argv = dict[str, Any]
COLUMNS = ("code", "credits", "redeemed", "max_redemptions", "status", "expires_at", "note")


def moment(text: str) -> float:
    """A time in ISO 8601 as Unix seconds."""
    found = seconds_of(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no time: say 2027-01-31 or 2027-01-31T18:00+01:00")
    return found


@click.group("vouchers")
def command() -> None:
    """Make, list and disable vouchers."""


@command.command("create")
@click.argument("amount", type=credits, metavar="CREDITS")
@click.option("--code", default="", help="Default: one that nobody can guess.")
@click.option("--max", "most", type=int, default=1, show_default=True, help="How many users may redeem it.")
@click.option("--expires", type=moment, metavar="TIME", help="ISO 8601, UTC unless it names a zone. Default: never.")
@click.option("--note", default="", help="What it is for.")
@json_option
@click.pass_obj
def create(argv: Argv, /, amount: NanoUsd, code: str, most: int, as_json: bool, **more: Any) -> None:
    """Make a voucher worth CREDITS to each user who redeems it."""

    async def work(office: Office) -> Row:
        wanted = NewVoucher(amount, operator(), code, most, more["expires"], more["note"])
        return show_voucher(await Vouchers(office.database, office.clock).create(wanted), office.clock.now_s())

    show_one(run(argv, work, makes=True), as_json)


@command.command("list")
@json_option
@click.pass_obj
def everything(argv: Argv, as_json: bool) -> None:
    """List all vouchers."""

    async def work(office: Office) -> list[Row]:
        now_s = office.clock.now_s()
        return [show_voucher(one, now_s) for one in await Vouchers(office.database, office.clock).all()]

    show(run(argv, work), COLUMNS, as_json, "no vouchers")


@command.command("disable")
@click.argument("code")
@json_option
@click.pass_obj
def disable(argv: Argv, code: str, as_json: bool) -> None:
    """Let nobody redeem a voucher any more; what was redeemed stays."""

    async def work(office: Office) -> Row:
        return show_voucher(await Vouchers(office.database, office.clock).disable(code), office.clock.now_s())

    show_one(run(argv, work), as_json)
