"""`tollway accounts`: the subscription accounts of each pool, and what an operator does to them."""

from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import click

from tollway.backends.clock import SystemClock
from tollway.cli.office import NOT_FOUND, UNREACHABLE, USAGE, WRONG, leave, settings_of
from tollway.cli.table import Row, json_option, show, show_one
from tollway.core.errors import BadRequest, NotFound, TollwayError, Unavailable
from tollway.gateway.accounts import desk
from tollway.gateway.accounts.account import Account, replace
from tollway.gateway.accounts.credentials import read_credentials
from tollway.gateway.accounts.show import show_account
from tollway.gateway.accounts.state_file import StateFile
from tollway.stated.accounts import AccountPool

Argv = dict[str, Any]
T = TypeVar("T")
COLUMNS = ("pool", "id", "label", "state", "consecutive_failures", "cooldown_until", "revoke_reason", "plan")
pool_option = click.option("--pool", "pool", help="Which [accounts.<name>]; needed when there are several.")


@click.group("accounts")
def command() -> None:
    """List, import, disable and enable subscription accounts; running gateways follow within two seconds."""


@command.command("list")
@pool_option
@json_option
@click.pass_obj
def everything(argv: Argv, pool: str | None, as_json: bool) -> None:
    """List the accounts of every pool, or of one: their states and what is held against them."""
    pools = _pools(argv) if pool is None else (_pool(argv, pool),)

    def work() -> list[Row]:
        return [
            show_account(one.channel.id, account)
            for one in pools
            for account in desk.listed(StateFile(one.file), _now())
        ]

    show(_done(work), COLUMNS, as_json, "no accounts")


@command.command("import")
@click.argument("file", type=click.File("rb"))
@pool_option
@click.option("--id", "name", default="", help="What to call the account; default: its e-mail or the vendor's id.")
@click.option("--label", default="", help="A note for people.")
@json_option
@click.pass_obj
def bring(argv: Argv, /, file: BinaryIO, pool: str | None, name: str, label: str, as_json: bool) -> None:
    """Bring accounts from a FILE of credentials (`-`: the input), or new tokens for known ones; they become active.

    Known are our own JSON and what the vendors' command-line tools keep.
    """
    chosen = _pool(argv, pool)

    def work() -> list[Row]:
        found = read_credentials(file.read(), chosen.channel.provider, _now(), name)
        if label:
            found = [replace(account, label=label) for account in found]
        return [show_account(chosen.channel.id, one) for one in desk.bring(StateFile(chosen.file), found, _now())]

    show(_done(work), COLUMNS, as_json)


@command.command("disable")
@click.argument("account")
@pool_option
@json_option
@click.pass_obj
def disable(argv: Argv, account: str, pool: str | None, as_json: bool) -> None:
    """Take an ACCOUNT out of its pool; calls that use it may end."""
    _change(argv, account, pool, as_json, desk.disable)


@command.command("enable")
@click.argument("account")
@pool_option
@json_option
@click.pass_obj
def enable(argv: Argv, account: str, pool: str | None, as_json: bool) -> None:
    """Put an ACCOUNT back into its pool, whether it was disabled, revoked or at rest."""
    _change(argv, account, pool, as_json, desk.enable)


def _change(
    argv: Argv, account: str, pool: str | None, as_json: bool, work: Callable[[StateFile, str, int], Account]
) -> None:
    def done() -> Row:
        stated = _pool(argv, pool) if pool else _pool_of(argv, account)
        return show_account(stated.channel.id, work(StateFile(stated.file), account, _now()))

    show_one(_done(done), as_json)


def _pools(argv: Argv) -> tuple[AccountPool, ...]:
    return settings_of(argv).pools


def _pool(argv: Argv, name: str | None) -> AccountPool:
    """The pool of that name, or the only one."""
    pools = _pools(argv)
    if not pools:
        leave("there is no pool of accounts: state [accounts.<name>] in tollway.toml", USAGE)
    names = ", ".join(one.channel.id for one in pools)
    if name is None and len(pools) > 1:
        leave(f"there are several pools: say --pool, one of {names}", USAGE)
    found = next((one for one in pools if name in (None, one.channel.id)), None)
    if found is None:
        leave(f"there is no pool {name!r}; known are {names}", NOT_FOUND)
    return found


def _pool_of(argv: Argv, account: str) -> AccountPool:
    """The pool that has this account."""
    pools = [one for one in _pools(argv) if account in StateFile(one.file).load()[0]]
    if not pools:
        raise NotFound(f"there is no account {account!r}")
    if len(pools) > 1:
        raise BadRequest(f"several pools have an account {account!r}: say --pool")
    return pools[0]


def _now() -> int:
    return int(SystemClock().now_s() * 1000)


def _done(work: Callable[[], T]) -> T:
    """What `work` returns. Its errors end the process with one line."""
    try:
        return work()
    except NotFound as error:
        leave(error.message, NOT_FOUND)
    except BadRequest as error:
        leave(error.message, USAGE)
    except Unavailable as error:
        leave(error.message, UNREACHABLE)
    except TollwayError as error:
        leave(error.message, WRONG)
    except OSError as error:
        leave(f"{error.strerror or error}: {error.filename}" if error.filename else str(error), UNREACHABLE)
