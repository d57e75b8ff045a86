"""`tollway doctor`: say what is configured, reachable, priced and wrong."""

import asyncio
import contextlib
import sys
from typing import Any

import click
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tollway.backends import sql
from tollway.backends.clock import SystemClock
from tollway.cli.channels import every_channel, stored_with
from tollway.cli.office import USAGE, WRONG, has_database, leave, settings_of
from tollway.cli.table import json_option, say_json
from tollway.core.errors import TollwayError
from tollway.core.finding import Finding, Level
from tollway.core.model import Channel
from tollway.gateway.accounts.checkup import checkup
from tollway.gateway.admin.doctor import Subject, examine
from tollway.gateway.admin.probe import Prober
from tollway.gateway.catalog import Catalog
from tollway.gateway.channels.kept import StoredChannels
from tollway.gateway.stock import all_channels, known_providers
from tollway.kit.http1.client import Client
from tollway.kit.toml import TomlError
from tollway.settings import Settings

MARKS = {Level.OK: "ok   ", Level.WARN: "warn ", Level.ERROR: "ERROR"}


@click.command("doctor")
@click.option("--offline", is_flag=True, help="Call no provider.")
@json_option
@click.pass_obj
def command(argv: dict[str, Any], offline: bool, as_json: bool) -> None:
    """Say what is configured, reachable, priced and wrong; exits with 1 when something is wrong."""
    try:
        found = asyncio.run(_examine(settings_of(argv), offline))
    except (TomlError, ValueError, ArgumentError) as error:
        leave(str(error), USAGE)
    if as_json:
        say_json([_shown(finding) for finding in found])
    else:
        for finding in found:
            click.echo(_line(finding))
    sys.exit(WRONG if any(finding.level is Level.ERROR for finding in found) else 0)


async def _examine(settings: Settings, offline: bool) -> list[Finding]:
    providers, kept = known_providers(), has_database(settings)
    catalog = Catalog.load(settings.sheet, [one.name for one in providers.values() if one.local_price])
    database, client = sql.open(settings.database_url, settings.data_dir), Client()
    clock = SystemClock()
    stored = stored_with(settings, database, clock) if kept else None
    found, wrong = await _channels(settings, stored)
    subject = Subject(
        catalog=catalog,
        channels=found,
        data_dir=settings.data_dir,
        database=database,
        database_url=settings.database_url,
        clock=clock,
        sheet=settings.sheet,
        probe=None if offline else Prober(client, providers, catalog),
        findings=(*settings.findings, *wrong, *checkup(settings.pools, round(clock.now_s() * 1000))),
        relief={name: one.to for name, one in settings.offload.models.items()},
        lent=frozenset(pool.channel.id for pool in settings.pools),
    )
    try:
        return await examine(subject)
    finally:
        await client.close()
        await database.close()


async def _channels(settings: Settings, stored: StoredChannels | None) -> tuple[list[Channel], list[Finding]]:
    """All channels; without those of the database where it cannot be asked, which is told of elsewhere."""
    if stored is not None:
        with contextlib.suppress(TollwayError, SQLAlchemyError):
            return await every_channel(settings, stored)
    return all_channels(settings, known_providers()), []


def _shown(finding: Finding) -> dict[str, str]:
    words = {"what": finding.what, "message": finding.message, "where": finding.where, "remedy": finding.remedy}
    return {"level": finding.level.value} | words


def _line(finding: Finding) -> str:
    where = f"  [{finding.where}]" if finding.where else ""
    remedy = f"\n         -> {finding.remedy}" if finding.remedy else ""
    return f"{MARKS[finding.level]}  {finding.what}: {finding.message}{where}{remedy}"
