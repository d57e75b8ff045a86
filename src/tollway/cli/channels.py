"""`tollway channels`: make, show, change, test and remove channels, also while the gateway runs."""

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import click

from tollway.cli.channel_health import health
from tollway.cli.office import WRONG, Office, operator, run
from tollway.cli.table import Row, json_option, say_json, show, show_one
from tollway.core.errors import BadRequest, BrokenSeal, OtherVault
from tollway.core.finding import Finding, Level
from tollway.core.ids import ChannelId
from tollway.core.model import Channel, Model
from tollway.gateway.admin.channel_desk import ChannelDesk
from tollway.gateway.catalog import Catalog
from tollway.gateway.channels.kept import StoredChannels
from tollway.gateway.engines.discovery import LocalEngines
from tollway.gateway.pipeline.trial import Trial, model_for_test
from tollway.gateway.stock import fixed_of, form_of, inside_of, known_providers, vault_of
from tollway.kit.http1.client import Client
from tollway.ports import Clock, Database
from tollway.settings import Settings, variable

Argv = dict[str, Any]
COLUMNS = ("id", "source", "provider", "base_url", "key", "priority", "weight", "models", "groups", "state")
_STATED = ("provider", "base_url", "priority", "weight", "tag", "remark", "rpm", "tpm", "parallel", "test_model")


def stored_in(office: Office) -> StoredChannels:
    """The channels of the office's database."""
    return stored_with(office.settings, office.database, office.clock)


def stored_with(settings: Settings, database: Database, clock: Clock) -> StoredChannels:
    """The channels of a database."""
    return StoredChannels(database, clock, vault_of(settings), form_of(settings, known_providers()))


def catalog_of(settings: Settings) -> Catalog:
    """What the files sell."""
    return Catalog.load(settings.sheet, [one.name for one in known_providers().values() if one.local_price])


async def every_channel(settings: Settings, stored: StoredChannels) -> tuple[list[Channel], list[Finding]]:
    """All channels with their keys, and what is wrong with those of the database that cannot be opened."""
    opened, wrong = [], []
    for record in await stored.all():
        try:
            opened.append(await stored.opened(record))
        except (OtherVault, BrokenSeal, BadRequest) as error:
            remedy = "see docs/guides/channels.md on vault keys"
            wrong.append(Finding(Level.ERROR, "channels", error.message, f"stored channel {record.id}", remedy))
    fixed = fixed_of(settings, known_providers())
    return [one.channel for one in fixed.with_stored(opened)], wrong


@asynccontextmanager
async def desk_of(office: Office, *, asks: bool = False) -> AsyncIterator[ChannelDesk]:
    """All channels, with a way to their providers; `asks`: local engines are asked what they serve."""
    providers, catalog = known_providers(), catalog_of(office.settings)
    fixed, client, inside = fixed_of(office.settings, providers), Client(), inside_of(providers)
    trial = Trial(providers, lambda provider: inside.get(provider.name, client))
    stored, listed = stored_in(office), dict[ChannelId, Channel]()

    def choose(channel: Channel, catalog: Catalog, asked: str | None) -> tuple[Model, str] | None:
        return model_for_test(listed.get(channel.id, channel), catalog, asked)

    try:
        if asks:
            local = LocalEngines(catalog, (await every_channel(office.settings, stored))[0], providers, client)
            await local.ask(lambda: None)
            catalog, channels = local.on_sale()
            listed.update((channel.id, channel) for channel in channels)
        yield ChannelDesk(stored, lambda: fixed.with_stored(()), lambda: catalog, choose=choose, trial=trial)
    finally:
        await client.close()


def at_desk(argv: Argv, work: Callable[[ChannelDesk], Awaitable[Any]], *, makes: bool = True) -> Any:
    """What `work` returns; see `office.run`."""

    async def inside(office: Office) -> Any:
        async with desk_of(office) as desk:
            return await work(desk)

    return run(argv, inside, makes=makes)


def setting(text: str) -> tuple[str, Any]:
    """`name=value` of --set, the value as JSON where it is JSON."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _fields(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that state a channel."""
    options = (
        click.option("--base-url", help="Default: the provider's own address."),
        click.option("--key", help="The key. Others on this machine can see it in the list of processes."),
        click.option("--key-env", metavar="VARIABLE", help="The variable that holds the key now; its value is kept."),
        click.option("--key-stdin", is_flag=True, help="Read the key from the standard input; several, one a line."),
        click.option("--priority", type=int, help="Higher is tried first."),
        click.option("--weight", type=int, help="Share of the calls among channels of one priority."),
        click.option("--model", "models", multiple=True, metavar="ID[=UPSTREAM]", help="A model; may be repeated."),
        click.option("--group", "groups", multiple=True, help="A group of callers; may be repeated. Default: all."),
        click.option("--tag", help="A word to find it by."),
        click.option("--remark", help="A note to yourself."),
        click.option("--rpm", type=int, help="Requests a minute."),
        click.option("--tpm", type=int, help="Tokens a minute."),
        click.option("--parallel", type=int, help="Calls at once."),
        click.option("--test-model", help="The model that tests ask."),
        click.option("--set", "more", multiple=True, type=setting, metavar="NAME=JSON", help="Any field of a channel."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def stated(wish: dict[str, Any]) -> dict[str, Any]:
    """The fields of a channel that the options state."""
    values: dict[str, Any] = dict(wish["more"])
    values |= {name: wish[name] for name in _STATED if wish.get(name) is not None}
    if wish["models"]:
        pairs = [one.partition("=") for one in wish["models"]]
        values["models"] = {name: upstream or name for name, _, upstream in pairs}
    if wish["groups"]:
        values["groups"] = list(wish["groups"])
    return values | _keys(wish)


def _keys(wish: dict[str, Any]) -> dict[str, Any]:
    ways = [name for name in ("key", "key_env", "key_stdin") if wish[name]]
    if len(ways) > 1:
        raise click.UsageError("--key, --key-env and --key-stdin exclude each other")
    if wish["key_env"]:
        value = variable(wish["key_env"])
        if not value:
            raise click.BadParameter(f"the variable {wish['key_env']} is not set", param_hint="--key-env")
        return {"key": value}
    if wish["key_stdin"]:
        keys = [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]
        if not keys:
            raise click.BadParameter("there is no key on the standard input", param_hint="--key-stdin")
        return {"keys": keys} if len(keys) > 1 else {"key": keys[0]}
    return {"key": wish["key"]} if wish["key"] else {}


def _say(row: Row, as_json: bool) -> None:
    if not as_json:
        row = {name: value for name, value in row.items() if value not in (None, "", [], {})}
    show_one(row, as_json)


@click.group("channels")
def command() -> None:
    """Make, show, change, test and remove channels. Keys are sealed, and never shown again."""


@command.command("create")
@click.argument("channel")
@click.option("--provider", required=True, help="Whose format it speaks: openai, anthropic, gemini, ...")
@click.option("--disabled", is_flag=True, help="Keep it, do not use it yet.")
@_fields
@json_option
@click.pass_obj
def create(argv: Argv, /, channel: str, as_json: bool, disabled: bool, **wish: Any) -> None:
    """Make a CHANNEL; running gateways use it within two seconds."""
    values = stated(wish) | {"id": channel} | ({"enabled": False} if disabled else {})
    _say(at_desk(argv, lambda desk: desk.create(values, operator())), as_json)


@command.command("list")
@json_option
@click.pass_obj
def everything(argv: Argv, as_json: bool) -> None:
    """List the channels: of tollway.toml, the database and the environment."""
    show(at_desk(argv, lambda desk: desk.all()), COLUMNS, as_json, "no channels")


@command.command("show")
@click.argument("channel")
@json_option
@click.pass_obj
def one(argv: Argv, channel: str, as_json: bool) -> None:
    """Show a CHANNEL."""
    _say(at_desk(argv, lambda desk: desk.one(channel)), as_json)


@command.command("edit")
@click.argument("channel")
@click.option("--provider", help="Whose format it speaks.")
@click.option("--unset", multiple=True, metavar="NAME", help="Take a field away; may be repeated.")
@click.option("--edition", type=click.IntRange(1, 2**62), help="Only if it is still at this edition.")
@_fields
@json_option
@click.pass_obj
def edit(argv: Argv, /, channel: str, as_json: bool, edition: int | None, unset: tuple[str, ...], **wish: Any) -> None:
    """Change a stored CHANNEL; what is not said stays, and calls in flight go on as they began."""
    values = stated(wish) | dict.fromkeys(unset)
    if not values:
        raise click.UsageError("say what to change: an option, --set or --unset")
    _say(at_desk(argv, lambda desk: desk.change(channel, values, operator(), edition)), as_json)


@command.command("test")
@click.argument("channel")
@click.option("--model", help="Default: the channel's test model, else the cheapest it serves.")
@json_option
@click.pass_obj
def test(argv: Argv, channel: str, model: str | None, as_json: bool) -> None:
    """Ask a CHANNEL a tiny question through each of its keys; exits with 1 when one fails. Nobody is billed."""

    async def work(office: Office) -> Row:
        async with desk_of(office, asks=True) as desk:
            return await desk.test(channel, model)

    found = run(argv, work, makes=True)
    if as_json:
        say_json(found)
    else:
        show(found["keys"], ("key", "status", "ms", "problem"), as_json=False)
        click.echo(f"{found['id']} with {found['upstream_model']}: {'works' if found['ok'] else 'FAILS'}")
    sys.exit(0 if found["ok"] else WRONG)


@command.command("enable")
@click.argument("channel")
@json_option
@click.pass_obj
def enable(argv: Argv, channel: str, as_json: bool) -> None:
    """Use a stored CHANNEL again."""
    _say(at_desk(argv, lambda desk: desk.change(channel, {"enabled": True}, operator())), as_json)


@command.command("disable")
@click.argument("channel")
@json_option
@click.pass_obj
def disable(argv: Argv, channel: str, as_json: bool) -> None:
    """Keep a stored CHANNEL without using it; calls in flight go on to their end."""
    _say(at_desk(argv, lambda desk: desk.change(channel, {"enabled": False}, operator())), as_json)


@command.command("delete")
@click.argument("channel")
@json_option
@click.pass_obj
def delete(argv: Argv, channel: str, as_json: bool) -> None:
    """Forget a stored CHANNEL and its keys; calls in flight go on to their end."""
    at_desk(argv, lambda desk: desk.remove(channel))
    show_one({"id": channel, "deleted": True}, as_json)


command.add_command(health)
command.add_command(create, "add")
command.add_command(edit, "set")
command.add_command(delete, "remove")
