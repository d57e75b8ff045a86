"""`tollway channels health`: how a running gateway finds its channels."""

import asyncio
import json
from typing import Any

import click

from tollway.cli.office import UNREACHABLE, USAGE, WRONG, leave, settings_of
from tollway.cli.table import json_option, say_json, show
from tollway.gateway.admin.first_run import FILE
from tollway.kit.http1.client import Client
from tollway.kit.http1.wire import Outbound, UpstreamError
from tollway.settings import Settings, variable

COLUMNS = ("lane", "model", "state", "why", "rests_for_s", "score", "success", "ttfb_ms", "good", "bad")


@click.command("health")
@click.option("--url", help="Of the gateway. Default: where this configuration has it listen.")
@click.option("--key-env", metavar="VARIABLE", help="Holds an administrator's key. Default: that of the first start.")
@json_option
@click.pass_obj
def health(argv: dict[str, Any], url: str | None, key_env: str | None, as_json: bool) -> None:
    """Show the circuits of a running gateway: which channels rest, why, and how well each has been doing."""
    settings = settings_of(argv)
    first = _first_run(settings)
    key = variable(key_env) if key_env else first.get("admin_key", "")
    if not key:
        leave("no administrator's key: name the variable that holds one with --key-env", USAGE)
    where = url or first.get("url") or f"http://{settings.server.host}:{settings.server.port}"
    try:
        status, body = asyncio.run(_ask(where.rstrip("/"), key))
        told = json.loads(body)
    except (UpstreamError, OSError, ValueError) as error:
        leave(f"{where} does not answer: {error}", UNREACHABLE)
    if status != 200:
        leave(f"{where} answers {status}: {body.decode('utf-8', 'replace')[:300]}", WRONG)
    if as_json:
        say_json(told)
        return
    show(told["circuits"], COLUMNS, as_json=False, empty="nothing is known of any channel yet")
    if told["hedging"] is not None:
        click.echo("hedging: " + ", ".join(f"{name} {value}" for name, value in told["hedging"].items()))


def _first_run(settings: Settings) -> dict[str, str]:
    try:
        told = json.loads((settings.data_dir / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}


async def _ask(url: str, key: str) -> tuple[int, bytes]:
    client = Client()
    try:
        lines = ((b"authorization", b"Bearer " + key.encode()),)
        inbound = await client.send(
            Outbound(url, b"/admin/routing", lines, b"", method=b"GET", first_byte_timeout_s=10)
        )
        return inbound.status, await inbound.read()
    finally:
        await client.close()
