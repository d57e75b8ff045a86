"""What an operator does to a pool's accounts; running gateways see it in the file."""

from collections.abc import Callable, Iterable

from tollway.core.errors import NotFound
from tollway.gateway.accounts.account import Account, awake, disabled, enabled, imported, replace
from tollway.gateway.accounts.state_file import Accounts, StateFile


def listed(file: StateFile, now: int) -> list[Account]:
    """Every account as it stands now, those out of the pool too. Raises Unavailable, OSError."""
    return [awake(account, now) for account in file.load()[0].values()]


def bring(file: StateFile, brought: Iterable[Account], now: int) -> list[Account]:
    """Put accounts into the pool, or new tokens into those it has; all of them are active afterwards.

    An account that comes under another id, but with tokens that are known, is the one that has them.
    """
    names: list[str] = []

    def work(accounts: Accounts) -> Accounts:
        changed = dict(accounts)
        names.clear()
        for new in brought:
            name = new.id if new.id in changed else _same(changed, new) or new.id
            changed[name] = imported(changed.get(name), replace(new, id=name), now)
            names.append(name)
        return changed

    after, _ = file.change(work)
    return [after[name] for name in dict.fromkeys(names)]


def _same(accounts: Accounts, new: Account) -> str | None:
    tokens = {new.access_token, new.refresh_token}
    return next((one.id for one in accounts.values() if {one.access_token, one.refresh_token} & tokens), None)


def disable(file: StateFile, name: str, now: int) -> Account:
    """Take an account out of the pool. Raises NotFound."""
    return _one(file, name, lambda account: disabled(account, now))


def enable(file: StateFile, name: str, now: int) -> Account:
    """Put an account back into the pool, whatever took it out or keeps it at rest. Raises NotFound."""
    return _one(file, name, lambda account: enabled(account, now))


def _one(file: StateFile, name: str, event: Callable[[Account], Account]) -> Account:
    def work(accounts: Accounts) -> Accounts:
        if name not in accounts:
            raise NotFound(f"there is no account {name!r}")
        return {**accounts, name: event(accounts[name])}

    return file.change(work)[0][name]
