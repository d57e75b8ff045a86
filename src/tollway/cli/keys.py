"""`tollway keys`: make, list, change and revoke API keys, also while the gateway runs."""

from typing import Any

import click

from tollway.cli.office import Office, run
from tollway.cli.options import budgets_option, budgets_wanted, no_budget_option
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.caller import KeyLimits, Scope
from tollway.core.errors import Forbidden
from tollway.gateway.auth.api_keys import KeyChange
from tollway.gateway.auth.show import show_key
from tollway.gateway.auth.store import KeyRecord

Argv = dict[str, Any]
COLUMNS = (
    "key_id",
    "user_id",
    "name",
    "prefix",
    "scope",
    "group",
    "status",
    "expires_at",
    "last_used_at",
    "limits",
    "budgets",
)

route_option = click.option(
    "--route", help="The strategy its calls are routed by, e.g. prefix_affinity,cheapest; empty: the model's."
)
cross_option = click.option(
    "--cross-group-retry/--no-cross-group-retry",
    default=None,
    help="With --group auto: a call goes on to the next group when the first has failed.",
)
group_option = click.option("--group", help="Empty: its owner's; auto: the automatic groups in turn.")


@click.group("keys")
def command() -> None:
    """Make, list, change and revoke API keys."""


async def shown(office: Office, keys: list[KeyRecord]) -> list[Row]:
    """Keys with what they have spent of their budgets."""
    budgets, now_s = await office.spending.of({key.id: key.budgets for key in keys}), office.clock.now_s()
    return [show_key(key, now_s) | {"budgets": budgets[key.id]} for key in keys]


@command.command("create")
@click.argument("user")
@click.option("--name", default="Default", show_default=True)
@click.option("--admin", is_flag=True, help="The key may administer; its owner must be an administrator.")
@click.option("--requests-per-minute", type=int, help="Default: the setting.")
@click.option("--parallel-calls", type=int, help="Default: the setting.")
@click.option("--model", "models", multiple=True, help="A model the key may use, or a pattern; may be repeated.")
@click.option("--days", type=float, help="Days until it expires. Default: the setting.")
@group_option
@cross_option
@route_option
@budgets_option
@json_option
@click.pass_obj
def create(argv: Argv, /, user: str, name: str, admin: bool, as_json: bool, **wish: Any) -> None:
    """Make an API key of a user (id or e-mail address); it is shown this once."""
    limits = KeyLimits(
        wish["requests_per_minute"], wish["parallel_calls"], wish["models"] or None, wish["route"],
        wish["cross_group_retry"],
    )  # fmt: skip
    wanted = KeyChange(budgets=budgets_wanted(wish["budgets"], none=False), group=wish["group"])
    days = wish["days"]

    async def work(office: Office) -> Row:
        owner = await office.users.find(user)
        if admin and not owner.admin:
            raise Forbidden(f"{owner.email} is no administrator")
        scope = Scope.ADMIN if admin else Scope.CALL
        new = await office.keys.create(owner.id, name, limits, scope=scope, lifetime_days=days, wanted=wanted)
        return {"key_id": new.record.id, "api_key": new.api_key} | (await shown(office, [new.record]))[0]

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
        found = [key for key in await office.keys.of(owner) if revoked_too or key.revoked_at_s is None]
        return await shown(office, found)

    show(run(argv, work), COLUMNS, as_json, "no keys")


@command.command("set")
@click.argument("key_id")
@click.option("--name")
@click.option("--requests-per-minute", type=int)
@click.option("--parallel-calls", type=int)
@click.option("--model", "models", multiple=True, help="A model the key may use, or a pattern; may be repeated.")
@group_option
@cross_option
@route_option
@budgets_option
@no_budget_option
@json_option
@click.pass_obj
def change(argv: Argv, /, key_id: str, name: str | None, as_json: bool, **wish: Any) -> None:
    """Change a key's limits and budgets; what is not said stays. It holds from the key's next call on."""
    named = {field: wish[field] for field in KeyLimits.__struct_fields__ if wish[field] not in (None, ())}
    stated = {field: None if value in (("",), "") else value for field, value in named.items()}
    wanted = KeyChange(name, stated or None, budgets_wanted(wish["budgets"], wish["no_budget"]), wish["group"])
    if wanted == KeyChange():
        raise click.UsageError("say what to change: --budget, --no-budget, --name, --group or a limit")

    async def work(office: Office) -> Row:
        return (await shown(office, [await office.keys.change(key_id, None, wanted)]))[0]

    show_one(run(argv, work), as_json)


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


command.add_command(create, "add")
