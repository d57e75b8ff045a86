"""What the doctor says about the pools of accounts."""

from collections.abc import Iterable

from tollway.core.errors import Unavailable
from tollway.core.finding import Finding, Level
from tollway.gateway.accounts import desk
from tollway.gateway.accounts.account import State
from tollway.gateway.accounts.state_file import StateFile
from tollway.stated.accounts import AccountPool


def checkup(pools: Iterable[AccountPool], now: int) -> list[Finding]:
    """One finding for each pool; `now` in Unix milliseconds."""
    return [_of(pool, now) for pool in pools]


def _of(pool: AccountPool, now: int) -> Finding:
    what, where = f"accounts {pool.channel.id}", str(pool.file)
    try:
        accounts = desk.listed(StateFile(pool.file), now)
    except Unavailable as error:
        return Finding(Level.ERROR, what, error.message, where, "restore the file, or import the accounts anew")
    except OSError as error:
        problem = f"the accounts file cannot be used: {error.strerror or error}"
        return Finding(Level.ERROR, what, problem, where, "give it to the user that runs Tollway")
    usable = sum(one.state is State.ACTIVE for one in accounts)
    message = f"{usable} of {len(accounts)} accounts can be used now"
    if usable:
        return Finding(Level.OK, what, message, where)
    return Finding(Level.WARN, what, message, where, "tollway accounts import FILE, or enable one")
