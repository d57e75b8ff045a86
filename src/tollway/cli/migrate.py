"""`tollway migrate`: bring the schema forward, or move a hub's whole data to another database."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from tollway.backends import sql
from tollway.backends.clock import SystemClock
from tollway.backends.sql.migrations import newest
from tollway.backends.sql.move import Moved, Refused, Stopped, move
from tollway.cli.office import UNREACHABLE, USAGE, WRONG, leave, settings_of
from tollway.cli.table import json_option, say_json
from tollway.core.errors import TollwayError, Unavailable
from tollway.gateway.ledger.audit import audit
from tollway.gateway.ledger.ledger import FolderInUse, Ledger
from tollway.settings import Settings

STOPPED = 130
"""As a shell says that a program was ended by Ctrl-C."""
KINDS = ("sqlite", "postgresql")
OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tollway'
"""
"""Connections of gateways; commands that take their time, as this one, go by another name."""


@click.command("migrate")
@click.option("--to", help="Move all data to the database at this URL; or name its kind and give the URL after it.")
@click.argument("url", required=False)
@json_option
@click.pass_obj
def command(argv: dict[str, Any], to: str | None, url: str | None, as_json: bool) -> None:
    """Bring the schema of the database forward to this version; never backward.

    With --to, move everything in it to another database, which must be empty: `--to postgresql://…`, or
    `--to postgresql postgresql://…`. Stop the gateways first. Calls still in a dead gateway's journal are settled
    before, both sides are audited and every row is compared. Until all has arrived, nothing has.
    """
    settings = settings_of(argv)
    target = _target(settings, to, url)
    try:
        told = asyncio.run(_moved(settings, target) if target else _forward(settings))
    except KeyboardInterrupt:  # before anything began to move
        leave("stopped: nothing was moved, and the source is as it was" if target else "stopped", STOPPED)
    except Stopped as error:
        leave(str(error), STOPPED)
    except (Refused, FolderInUse) as error:
        leave(str(error), WRONG)
    except ValueError as error:
        leave(str(error), USAGE)
    except TollwayError as error:
        leave(error.message, UNREACHABLE)
    if as_json:
        say_json(told)
    else:
        click.echo(_words(told))


def _target(settings: Settings, to: str | None, url: str | None) -> str | None:
    """The URL to move to, if any. Ends the process when it makes no sense."""
    if to is None:
        if url is not None:
            leave("a URL is for moving data to it: say `tollway migrate --to URL`", USAGE)
        return None
    kind, asked = (to, url) if to in KINDS else ("", to if url is None else None)
    if asked is None:
        leave(f"--to {to} needs a URL" if to in KINDS else f"--to takes one URL: {to!r} or {url!r}?", USAGE)
    spoken = asked.partition("://")[0]
    spoken = "postgresql" if spoken == "postgres" else spoken
    if spoken not in KINDS:
        leave(f"--to: no database speaks {spoken!r}: use sqlite:// or postgresql://", USAGE)
    if kind and kind != spoken:
        leave(f"--to {kind}: the URL is one of {spoken}", USAGE)
    if _place(settings, asked) == _place(settings, settings.database_url):
        leave("--to: that is the database in use now", USAGE)
    return asked


def _place(settings: Settings, url: str) -> Path | tuple[str, str, str]:
    """What tells two databases apart, however their URLs are written."""
    file = sql.sqlite_file(url, settings.data_dir)
    if file is not None:
        return file.resolve()
    parts = urlsplit(url)
    return (parts.netloc.rpartition("@")[2], parts.path, parts.query)


async def _forward(settings: Settings) -> dict[str, Any]:
    database = sql.open(settings.database_url, settings.data_dir, patient=True)
    try:
        before = await database.migrate()
    finally:
        await database.close()
    return {"from": before, "to": newest()}


async def _moved(settings: Settings, url: str) -> dict[str, Any]:
    source_file = sql.sqlite_file(settings.database_url, settings.data_dir)
    if source_file is not None and not source_file.exists():
        raise Unavailable(f"there is no database at {source_file}")
    source = sql.open(settings.database_url, settings.data_dir, patient=True)
    try:
        await source.migrate()
        if source_file is None and (await source.read(lambda tx: tx.run(OTHERS)))[0][0]:
            raise Refused("another tollway uses the database: stop every gateway first")
        ledger = Ledger(source, settings.data_dir, SystemClock())
        await ledger.start()  # alone from here on; what dead gateways left in this folder is in the books now
        try:
            moved = await _over(source, settings, url)
        finally:
            await ledger.close()
    finally:
        await source.close()
    where = str(source_file) if source_file is not None else _shown(settings.database_url)
    return {"moved": dict(moved), "from": where, "to": _shown(url)}


async def _over(source: sql.SqlDatabase, settings: Settings, url: str) -> list[Moved]:
    target = sql.open(url, settings.data_dir, patient=True)
    try:
        await target.migrate()
        moved = await move(source, target, audit)
    finally:
        await target.close()
    return moved


def _shown(url: str) -> str:
    """A URL as it may be seen on a screen."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@", 1) if password else url


def _words(told: dict[str, Any]) -> str:
    if "moved" not in told:
        before, now = told["from"], told["to"]
        return (
            f"the schema is at {now} already" if before == now else f"the schema went from {before or 'none'} to {now}"
        )
    moved: dict[str, int] = told["moved"]
    lines = [f"{rows:>12,}  {table}" for table, rows in moved.items()]
    return "\n".join(
        [
            *lines,
            f"{sum(moved.values()):>12,}  rows moved and compared; both sides audited, the books are exact",
            f"Now set TOLLWAY_DATABASE_URL (or `database_url` in [server]) to {told['to']} and start `tollway serve`.",
            f"Nothing reads {told['from']} any more; it was left as it is.",
        ]
    )
