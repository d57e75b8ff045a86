"""`[accounts.<name>]`: pools of subscription accounts, each of which is a channel. None is there unless stated."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tollway.kit.sendable import bad_base_url, is_sendable
from tollway.kit.toml import Place
from tollway.settings.channels import Vendor
from tollway.settings.sections import Upstream
from tollway.settings.sources import Sources
from tollway.stated.accounts import AccountPool, PoolRow
from tollway.stated.channels import INHERITED, ChannelRow, channel_of
from tollway.stated.wrong import Wrong

_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
_KEYS = frozenset({"key", "key_env", "keys", "keys_env", "key_choice", "key_rpm", "key_tpm", "key_parallel"})
"""What a channel has, and a pool has not."""


_OWN = frozenset(field.name for field in msgspec.structs.fields(PoolRow))


def pools_of(
    sources: Sources, vendors: Sequence[Vendor], upstream: Upstream, data_dir: Path
) -> tuple[AccountPool, ...]:
    """The pools that the file states. Raises TomlError naming file, line and field."""
    sheet = sources.sheet
    tables = sheet.convert(sheet.values.get("accounts", {}), dict[str, dict[str, Any]], ("accounts",))
    known = {vendor.name: vendor for vendor in vendors if vendor.lends}
    inherited = {name: getattr(upstream, name) for name in INHERITED}
    taken = {row.get("id") for row in sheet.values.get("channels", [])}
    pools = []
    for name, table in tables.items():
        place: Place = ("accounts", name)
        if not _NAME.fullmatch(name):
            raise sheet.error(place, "the name of a pool is letters, digits, '.', '_' and '-'")
        if name in taken:
            raise sheet.error(place, "a channel has this name, too")
        provider = table.get("provider")
        if not isinstance(provider, str) or provider not in known:
            problem = f"no provider of accounts; known are {', '.join(sorted(known))}"
            raise sheet.error((*place, "provider") if provider else place, problem)
        pools.append(_pool(name, table, known[provider], sources, (inherited, data_dir)))
    return tuple(pools)


def _pool(
    name: str, table: Mapping[str, Any], vendor: Vendor, sources: Sources, around: tuple[dict[str, Any], Path]
) -> AccountPool:
    sheet, place, (inherited, data_dir) = sources.sheet, ("accounts", name), around
    for field in table:
        if field in _KEYS or field == "id":
            raise sheet.error((*place, field), "has no place here: the accounts of the pool are its keys")
        if field == "pass_through":
            raise sheet.error((*place, field), "has no place here: bodies name the account's conversation")
    row = sheet.convert({field: value for field, value in table.items() if field in _OWN}, PoolRow, place)
    rest = {field: value for field, value in table.items() if field not in _OWN}
    stated = sheet.convert({"id": name} | rest, ChannelRow, place)
    for field, needed in (("token_url", True), ("fallback_base_url", False)):
        problem = _bad_url(getattr(row, field), needed)
        if problem:
            raise sheet.error((*place, field), problem)
    for field in ("client_id", "query"):
        if not is_sendable(getattr(row, field)) or " " in getattr(row, field):
            raise sheet.error((*place, field), "must be printable ASCII without spaces")
    if not row.client_id:
        raise sheet.error((*place, "client_id"), "must not be empty")
    base_url = stated.base_url or sources.variables.get(vendor.base_env, "") or vendor.base_url
    try:
        channel = channel_of(stated, (), base_url, inherited)
    except Wrong as wrong:
        raise sheet.error((*place, *wrong.place), wrong.problem) from wrong
    file = Path(row.file).expanduser() if row.file else data_dir / f"{name}_accounts.json"
    return AccountPool(channel, row, file, _paid_key(row, place, sources))


def _bad_url(url: str, needed: bool) -> str:
    """A token's address may have a query; nothing else may."""
    if not url:
        return "must not be empty" if needed else ""
    return bad_base_url(url.partition("?")[0] if needed else url)


def _paid_key(row: PoolRow, place: Place, sources: Sources) -> str:
    key = (row.fallback_key or sources.variables.get(row.fallback_key_env, "")).strip()
    field = "fallback_key_env" if row.fallback_key_env else "fallback_key"
    if row.fallback_key_env and not key:
        raise sources.sheet.error((*place, field), f"the variable {row.fallback_key_env} is not set")
    if not is_sendable(key):
        raise sources.sheet.error((*place, field), "the key holds characters that no header can carry")
    return key
