"""`tollway keys`: make, list and revoke API keys, also while the gateway runs."""

from typing import Any

import click

from tollway.cli.office import Office, run
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.caller import KeyLimits, Scope
from tollway.core.errors import Forbidden
from tollway.gateway.auth.show import show_key

Argv = dict[str, Any]
COLUMNS = ("key_id", "user_id", "name", "prefix", "scope", "status", "expires_at", "last_used_at", "limits")


@click.group("keys")
def command() -> None:
    """Make, list and revoke API keys."""


@command.command("create")
@click.argument("user")
@click.option("--name", default="Default", show_default=True)
@click.option("--admin", is_flag=True, help="The key may administer; its owner must be an administrator.")
@click.option("--requests-per-minute", type=int, help="Default: the setting.")
@click.option("--parallel-calls", type=int, help="Default: the setting.")
@click.option("--model", "models", multiple=True, help="A model the key may use, or a pattern; may be repeated.")
@click.option("--days", type=float, help="Days until it expires. Default: the setting.")
@json_option
@click.pass_obj
def create(argv: Argv, /, user: str, name: str, admin: bool, as_json: bool, **wish: Any) -> None:
    """Make an API key of a user (id or e-mail address); it is shown this once."""
    limits = KeyLimits(wish["requests_per_minute"], wish["parallel_calls"], wish["models"] or None)

    async def work(office: Office) -> Row:
        owner = await office.users.find(user)
        if admin and not owner.admin:
            raise Forbidden(f"{owner.email} is no administrator")
        scope = Scope.ADMIN if admin else Scope.CALL
        new = await office.keys.create(owner.id, name, limits, scope=scope, lifetime_days=wish["days"])
        shown = show_key(new.record, office.clock.now_s())
        return {"key_id": new.record.id, "api_key": new.api_key} | shown

    show_one(run(argv, work, makes=True), as_json)


@command.command("list")
@click.argument("user", required=False)
@click.option("--all", "revoked_too", is_flag=True, help="Revoked keys too.")
@json_option
@click.pass_obj
def everyone(argv: Argv, user: str | None, revoked_too: bool, as_json: bool) -> None:
    """List the keys of a user (id or e-mail address), or of everybody."""

    async def work(office: Office) -> list[Row]:
        owner = None if user is None else (await office.users.find(user)).id
        found, now_s = await office.keys.of(owner), office.clock.now_s()
        return [show_key(key, now_s) for key in found if revoked_too or key.revoked_at_s is None]

    show(run(argv, work), COLUMNS, as_json, "no keys")


@command.command("revoke")
@click.argument("key_id")
@json_option
@click.pass_obj
def revoke(argv: Argv, key_id: str, as_json: bool) -> None:
    """Refuse a key from its very next call on, in every running process."""

    async def work(office: Office) -> Row:
        await office.keys.revoke(key_id)
        return {"key_id": key_id, "revoked": True}

    show_one(run(argv, work), as_json)
