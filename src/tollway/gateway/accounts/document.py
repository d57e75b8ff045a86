"""The state file's text: version 2, version 1 of older gateways, and what is wrong with the rest."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tollway.gateway.accounts.account import Account, State
from tollway.kit.sendable import is_sendable

VERSION = 2
ID_MAX = 128
MOMENT_END = 10**15
_COUNTS = ("consecutive_failures", "cooldowns", "generation")
SECONDS_END = 100_000_000_000
"""Below this a moment is in seconds, not milliseconds."""
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Account))


class Torn(ValueError):
    """Not a whole state file."""


class Foreign(ValueError):
    """A whole file, but of a kind we must not touch."""


class Document:
    """What a state file says: its rows in order, and the accounts that can be used of them."""

    __slots__ = ("accounts", "is_old", "rows", "skipped")

    def __init__(self, rows: list[Any], is_old: bool = False) -> None:
        self.rows = rows
        self.is_old = is_old
        """It is of version 1 and must be written anew."""
        self.accounts: dict[str, Account] = {}
        self.skipped: list[str] = []
        """What is wrong with the rows that cannot be used; they stay in the file as they are."""
        for number, row in enumerate(rows):
            try:
                account = _account(row, is_old)
                if account.id in self.accounts:
                    raise ValueError(f"the id {account.id!r} comes twice")
                self.accounts[account.id] = account
            except ValueError as error:
                self.skipped.append(f"accounts[{number}]: {error}")

    @classmethod
    def read(cls, data: bytes) -> "Document":
        """Understand a file. Raises Torn when it is none, Foreign when it is of a version that is not known."""
        try:
            value = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Torn(f"it is no whole JSON: {error}") from error
        if isinstance(value, list):
            return cls(value, is_old=True)
        rows = value.get("accounts") if isinstance(value, dict) else None
        if not isinstance(rows, list):
            raise Torn("it holds no list `accounts`")
        version = value.get("version", 1)
        if version not in (1, VERSION):
            raise Foreign(f"it is of version {version!r}; this Tollway knows {VERSION}")
        return cls(rows, is_old=version == 1)

    def written(self, accounts: Mapping[str, Account]) -> bytes:
        """The file with these accounts; rows and fields that we do not know stay as they are."""
        rows, left = [], dict(accounts)
        for row in self.rows:
            account = left.pop(row["id"], None) if isinstance(row, dict) and isinstance(row.get("id"), str) else None
            if account is None:
                rows.append(row)
            else:
                known = {name: value for name, value in row.items() if name not in ("enabled", "tier")}
                rows.append(known | msgspec.to_builtins(account))
        rows += [msgspec.to_builtins(account) for account in left.values()]
        return msgspec.json.format(msgspec.json.encode({"version": VERSION, "accounts": rows}), indent=2) + b"\n"


def _account(row: Any, is_old: bool) -> Account:
    """One row. Raises ValueError saying what it lacks."""
    if not isinstance(row, dict):
        raise ValueError("is no account")
    for name in ("id", "access_token", "refresh_token", "expires_at"):
        if not row.get(name):
            raise ValueError(f"has no {name}")
    known = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    known["expires_at"] = millis(row["expires_at"])
    if "tier" in row and not known.get("plan"):
        known["plan"] = row["tier"]
    if is_old:
        known["state"] = (State.ACTIVE if row.get("enabled", True) else State.DISABLED).value
    try:
        account = msgspec.convert(known, Account)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    return _of_one_mind(checked(account))


def checked(account: Account) -> Account:
    """The account, if its words can stand in a request's head. Raises ValueError."""
    for name in ("id", "access_token", "account_id"):
        value = getattr(account, name)
        if not is_sendable(value) or " " in value:
            raise ValueError(f"its {name} holds characters that no header can carry")
    if not account.id or len(account.id) > ID_MAX:
        raise ValueError(f"its id must have 1 to {ID_MAX} characters")
    for name in ("expires_at", "state_changed_at", "cooldown_until", *_COUNTS):
        if not 0 <= getattr(account, name) < MOMENT_END:
            raise ValueError(f"its {name} is beyond belief")
    return account


def _of_one_mind(account: Account) -> Account:
    """What a hand has written may contradict itself: the state decides."""
    rests, active = account.state is State.COOLDOWN, account.state is State.ACTIVE
    return msgspec.structs.replace(
        account,
        cooldown_until=account.cooldown_until if rests else 0,
        probation=account.probation and active,
        revoke_reason="" if active or rests else account.revoke_reason,
    )


def millis(moment: Any) -> int:
    """A moment in seconds or milliseconds, as Unix milliseconds. Raises ValueError."""
    if not isinstance(moment, int | float) or isinstance(moment, bool) or not 0 < moment < MOMENT_END:
        raise ValueError("expires_at is no moment in Unix milliseconds")
    return int(moment * 1000 if moment < SECONDS_END else moment)
