"""`tollway route`: how calls find their channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click

from tollway.cli.channels import stored_in
from tollway.cli.office import USAGE, Office, leave, run
from tollway.cli.prices import shelf_of
from tollway.cli.table import Row, json_option, say_json, show
from tollway.gateway.admin.routing import RouteDesk
from tollway.gateway.channels.board import ChannelBoard
from tollway.gateway.channels.roster import switched_off, used
from tollway.gateway.engines.discovery import LocalEngines
from tollway.gateway.engines.fleet import Engines
from tollway.gateway.engines.offload import Offload
from tollway.gateway.routing.groups import GroupRoutes
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.memory import Memory
from tollway.gateway.routing.observations import Signals
from tollway.gateway.stock import fixed_of, known_providers
from tollway.kit.http1.client import Client

COLUMNS = ("order", "lane", "model", "tier", "weight", "share", "score", "ttfb_ms", "price_usd", "state", "why")


@click.group("route")
def command() -> None:
    """Show how calls find their channel."""


@command.command("explain")
@click.argument("model")
@click.option("--prompt", default="", help="What is asked: its length decides the price, its words the auto router.")
@click.option("--key", metavar="KEY_ID", help="As this API key would be routed; its id, not the key.")
@click.option("--route", default="", help="As if the call said so in x-tollway-route.")
@json_option
@click.pass_obj
def explain(argv: dict[str, Any], model: str, prompt: str, key: str | None, route: str, as_json: bool) -> None:
    """Print the channels that would be tried for MODEL (or `auto`), in order, and why.

    It goes by settings and database, as a gateway that has just started; what a running one has learnt of its
    channels since is told by GET /admin/routing?model=MODEL.
    """

    async def work(office: Office) -> Row:
        async with _desk_of(office) as desk:
            return await desk.explain(model, prompt, key, route)

    told = run(argv, work, makes=True)
    if as_json:
        say_json(told)
        return
    click.echo(_headline(told))
    for line in _local(told.get("local")):
        click.echo(line)
    rows = [
        row
        | {
            "why": _why(row, told["candidates"][0]),
            "price_usd": f"{row['price_usd']:.6f}",
            "order": row["order"] or "-",
        }
        for row in told["candidates"]
    ]
    show(rows, COLUMNS, as_json=False)


@asynccontextmanager
async def _desk_of(office: Office) -> AsyncIterator[RouteDesk]:
    """A desk that knows what settings and database say, and what local engines say when they are asked now."""
    settings, providers, now_s = office.settings, known_providers(), office.clock.monotonic_s
    listed, _ = await shelf_of(office).everything()
    board = ChannelBoard(office.database, office.clock, stored_in(office))
    await board.news()
    stored, groups = board.told
    roster = fixed_of(settings, providers).with_stored(stored)
    client = Client()
    try:
        local = LocalEngines(listed, used(roster), providers, client)
        await local.ask(lambda: None)
        catalog, channels = local.on_sale()
        fleet = Engines(providers, client, settings.engines, now_s)
        offload = Offload(fleet, (settings.engines, settings.offload), now_s)
        offload.take(catalog.models, channels, catalog.find)
        await fleet.poll()
        await fleet.heard()
        signals = Signals(Health(settings.health), Memory(settings.routing), settings.routing, engines=fleet)
        try:
            routes = GroupRoutes(groups, catalog.models, [*channels, *switched_off(roster)], providers, signals)
        except ValueError as error:
            leave(str(error), USAGE)
        plans = office.subscriptions.plans.rules
        yield RouteDesk(lambda: catalog, lambda: routes, office.keys, office.users, plans, office.clock, offload)
    finally:
        await client.close()


def _headline(told: Row) -> str:
    chosen = f"{told['asked']} → {told['model']}" if told["asked"] != told["model"] else told["model"]
    auto = told.get("auto")
    found = f" (a {auto['level']} question, {auto['kind']})" if auto else ""
    barred = "" if told["may_use"] else "; this key or plan may not use it"
    chain = ", then ".join(told["strategy"])
    return f"{chosen}{found}: {chain} (stated by {told['stated_by']}), {told['input_tokens']} input tokens{barred}"


def _local(told: Row | None) -> list[str]:
    """What was decided between local engines and others, and what each engine says."""
    if told is None:
        return []
    lines = [f"local engines: {told['offload'] or 'the one with the least to do comes first'}"]
    lines.append(f"  tried in this order: {', '.join(told['order'])}")
    for channel, load in told["engines"].items():
        full = "" if load["kv_used"] is None else f", {load['kv_used']:.0%} of its cache used"
        trouble = f" ({load['trouble']})" if load["trouble"] else ""
        lines.append(f"  {channel}: {load['running']} running, {load['waiting']} waiting{full}{trouble}")
    return lines


def _why(row: Row, first: Row) -> str:
    """In a few words, why a candidate stands where it does."""
    if row["excluded"]:
        return str(row["excluded"])
    found = ["first"] if row is first else []
    if row["fallback"]:
        found.append("fallback model, when the asked one has no channel left")
    elif row["tier"] < first["tier"]:
        found.append("when no channel of a higher priority is left")
    if not row["weight"]:
        found.append("weight 0: after the others")
    if row["warm"]:
        found.append(f"{row['warm']:.0%} of the prompt warm")
    if row["headroom"] < 1:
        found.append(f"{row['headroom']:.0%} headroom")
    return ", ".join(found)
