"""`tollway import`: take channels over from other relays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml  # type: ignore[import-untyped]

from tollway.cli.channels import catalog_of, stored_in
from tollway.cli.office import WRONG, Office, leave, operator, run
from tollway.cli.table import Row, json_option, say_json, show
from tollway.core.errors import BadRequest
from tollway.core.groups import Groups
from tollway.gateway.channels.form import Form
from tollway.gateway.channels.groups import GroupBook, merged
from tollway.gateway.channels.imports import litellm, relays
from tollway.gateway.channels.imports.found import Found, World
from tollway.gateway.channels.imports.relay_file import open_file
from tollway.gateway.channels.mask import mask
from tollway.gateway.stock import form_of, known_providers
from tollway.settings import variable

Argv = dict[str, Any]
MOST_BYTES = 16 << 20
COLUMNS = ("id", "provider", "base_url", "keys", "models", "groups", "enabled", "outcome")

file_argument = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
dry_option = click.option("--dry-run", is_flag=True, help="Only show what would be made.")


@click.group("import")
def command() -> None:
    """Take channels over from other relays. What has no counterpart is listed, and nothing existing is changed."""


def _take(argv: Argv, find: Callable[[World], Found], dry: bool, as_json: bool) -> None:
    async def work(office: Office) -> Row:
        providers = known_providers()
        catalog = catalog_of(office.settings)
        names = {name: model.id for model in catalog for name in (model.id, *model.aliases)}
        found = find(World(providers, names.get, variable))
        stored, book, form = (
            stored_in(office),
            GroupBook(office.database, office.clock),
            form_of(office.settings, providers),
        )
        groups = await book.read()
        wanted = _new_groups(found, groups)
        if wanted and not dry:
            groups = await book.change(wanted, operator())
        elif wanted:
            groups = merged(groups, wanted)
        taken = {record.id for record in await stored.all()}
        rows = [_judged(row, taken, form, groups) for row in found.rows]
        good = [row for row, told in zip(found.rows, rows, strict=True) if told["outcome"] == "new"]
        if good and not dry:
            await stored.create_all(good, operator())
        made = "would be made" if dry else "made"
        for told in rows:
            told["outcome"] = made if told["outcome"] == "new" else told["outcome"]
        notes = [{"where": note.where, "what": note.what} for note in found.notes]
        return {"dry_run": dry, "channels": rows, "groups": wanted, "notes": notes}

    told = run(argv, work, makes=True)
    if as_json:
        say_json(told)
        return
    show(told["channels"], COLUMNS, as_json=False, empty="no channels")
    for name in told["groups"].get("group_ratio", {}):
        click.echo(f"group {name}")
    if told["notes"]:
        click.echo("\nNot, or not quite, taken over:")
        for note in told["notes"]:
            click.echo(f"  {note['where']}: {note['what']}")


def _judged(row: Row, taken: set[str], form: Form, groups: Groups) -> Row:
    """What is told of a row, and whether it can be made."""
    keys = row.get("keys") or ([row["key"]] if row.get("key") else [])
    shown = {name: row.get(name) for name in ("id", "provider", "base_url", "models", "groups")}
    shown |= {"keys": [mask(key) for key in keys], "enabled": row.get("enabled", True), "outcome": "new"}
    if row["id"] in taken:
        return shown | {"outcome": "left out: there is a channel of this id"}
    unknown = [group for group in row.get("groups", ()) if not groups.knows(group)]
    if unknown:
        return shown | {"outcome": f"left out: there is no group {unknown[0]!r}"}
    try:
        form.read(row)
    except BadRequest as error:
        return shown | {"outcome": f"left out: {error.message}"}
    return shown


def _new_groups(found: Found, groups: Groups) -> dict[str, Any]:
    """The groups there are not yet; what is said here about the others stays. Bad ones are told of and left out."""
    ratios = _fit(found, groups)
    if not ratios:
        return {}
    wanted: dict[str, Any] = {"group_ratio": {**groups.group_ratio, **ratios}}
    usable = found.groups.get("user_usable_groups")
    if isinstance(usable, dict):
        wanted["user_usable_groups"] = {**usable, **groups.user_usable_groups}
    pairs = found.groups.get("group_group_ratio")
    if isinstance(pairs, dict):
        wanted["group_group_ratio"] = {**pairs, **groups.group_group_ratio}
    try:
        merged(groups, wanted)
    except BadRequest as error:
        found.note("groups", f"only their names and ratios are taken over: {error.message}")
        wanted = {"group_ratio": wanted["group_ratio"]}
    left = set(found.groups) - set(wanted)
    for name in sorted(left):
        found.note(f"groups.{name}", "is not taken over: see `tollway groups edit`")
    return wanted


def _fit(found: Found, groups: Groups) -> dict[str, Any]:
    """The ratios of groups that can be made; of the others it is told why not."""
    fit = {}
    for name, ratio in found.groups.get("group_ratio", {}).items():
        try:
            there = merged(groups, {"group_ratio": {**groups.group_ratio, name: ratio}})
        except BadRequest as error:
            found.note(f"group {name}", f"is not taken over: {error.message}")
            continue
        if not groups.knows(name):
            fit[name] = ratio
        elif there.group_ratio[name] != groups.group_ratio[name]:
            found.note(
                f"group {name}",
                f"keeps its ratio here: say `tollway groups set {name} --ratio {ratio}` for the old one",
            )
    return fit


@command.command("litellm")
@file_argument
@dry_option
@json_option
@click.pass_obj
def of_litellm(argv: Argv, file: Path, dry_run: bool, as_json: bool) -> None:
    """Take over the deployments of LiteLLM's config.yaml; `os.environ/NAME` is looked up here and now."""
    if file.stat().st_size > MOST_BYTES:
        leave(f"{file} is larger than {MOST_BYTES} bytes", WRONG)
    try:
        config = yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise click.BadParameter(f"not valid YAML: {error}", param_hint="FILE") from error
    _take(argv, lambda world: litellm.read(config, world), dry_run, as_json)


def _of_relay(argv: Argv, hub: str, file: Path, dry: bool, as_json: bool) -> None:
    try:
        rows, options = open_file(file)
    except BadRequest as error:
        raise click.BadParameter(error.message, param_hint="FILE") from error
    _take(argv, lambda world: relays.read(rows, options, world, hub), dry, as_json)


@command.command("new-api")
@file_argument
@dry_option
@json_option
@click.pass_obj
def of_new_api(argv: Argv, file: Path, dry_run: bool, as_json: bool) -> None:
    """Take over new-api's channels and groups: from its SQLite database, or a JSON export of its channels."""
    _of_relay(argv, "new-api", file, dry_run, as_json)


@command.command("one-api")
@file_argument
@dry_option
@json_option
@click.pass_obj
def of_one_api(argv: Argv, file: Path, dry_run: bool, as_json: bool) -> None:
    """Take over one-api's channels and groups: from its SQLite database, or a JSON export of its channels."""
    _of_relay(argv, "one-api", file, dry_run, as_json)
