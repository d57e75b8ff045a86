"""Every setting, read once at the start from the command line, the environment and tollway.toml, in that order."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tollway.core.engines import EngineRules, OffloadRules
from tollway.core.finding import Finding, Level
from tollway.core.health import HealthRules
from tollway.core.model import Channel
from tollway.core.routing import RoutingRules
from tollway.kit.http1.limits import Limits
from tollway.kit.toml import Sheet, read
from tollway.settings.accounts import pools_of
from tollway.settings.channels import Vendor, channels_of
from tollway.settings.places import FILE, default_data_dir, find_file
from tollway.settings.sections import Books, Keys, Metrics, Plans, Retention, Server, Upstream, Vault
from tollway.settings.sources import PREFIX, Sources, section, variable_of
from tollway.stated.accounts import AccountPool
from tollway.stated.affinity import Affinity, check_affinity
from tollway.stated.wrong import Wrong

_ELSEWHERE = ("models", "fallbacks", "local")
"""Tables of tollway.toml that the catalog reads."""
_FOREIGN = ("TOLLWAY_BENCH_", "TOLLWAY_TEST_", "TOLLWAY_VENV")
"""Variables of our own tools, which are no settings."""
_SECTIONS: dict[str, type[Any]] = {
    "server": Server,
    "limits": Limits,
    "upstream": Upstream,
    "keys": Keys,
    "health": HealthRules,
    "ledger": Books,
    "plans": Plans,
    "retention": Retention,
    "engines": EngineRules,
    "offload": OffloadRules,
    "vault": Vault,
    "routing": RoutingRules,
    "affinity": Affinity,
    "metrics": Metrics,
}
_VARIABLES = frozenset(
    variable_of(name, field.name) for name, kind in _SECTIONS.items() for field in msgspec.structs.fields(kind)
) | {"TOLLWAY_CONFIG"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, checked."""

    server: Server
    limits: Limits
    """`[limits]`: what one client may ask of the server."""
    upstream: Upstream
    keys: Keys
    health: HealthRules
    """`[health]`: when a channel counts as unwell."""
    ledger: Books
    plans: Plans
    retention: Retention
    engines: EngineRules
    offload: OffloadRules
    vault: Vault
    metrics: Metrics
    affinity: Affinity
    """`[affinity]`: which conversations stay with a channel."""
    routing: RoutingRules
    """`[routing]`: how channels are ordered."""
    data_dir: Path
    database_url: str
    channels: tuple[Channel, ...]
    """Those stated or found, and those of the pools."""
    pools: tuple[AccountPool, ...] = ()
    sheet: Sheet | None
    """The operator's tollway.toml, for the catalog's `[[models]]`, `[fallbacks]` and `[local]`."""
    findings: tuple[Finding, ...] = ()
    """What the doctor should say about the settings themselves."""

    def __repr__(self) -> str:
        """Without database URL and keys, so that no log can hold them."""
        return f"Settings(server={self.server.host}:{self.server.port}, data_dir={str(self.data_dir)!r})"


def from_process(argv: Mapping[str, Any], vendors: Sequence[Vendor]) -> Settings:
    """The settings of this process. See `load`."""
    return load(os.environ, argv, vendors)


def variable(name: str) -> str:
    """What a variable of the environment holds; empty when it is not set. For what an operator names at a terminal."""
    return os.environ.get(name, "")


def load(
    environ: Mapping[str, str], argv: Mapping[str, Any], vendors: Sequence[Vendor], here: Path = Path()
) -> Settings:
    """Settings from all sources. `argv` holds `[server]` fields, `config` too; None in it means not given.

    The file is `config` or `TOLLWAY_CONFIG`, else tollway.toml in `here`, else in the data folder. Raises
    SettingsError naming the variable, or TomlError naming file, line and field.
    """
    given = {name: value for name, value in argv.items() if value is not None}
    path = find_file(environ, given, here)
    sheet = read(path) if path else Sheet(FILE, {})
    sources = Sources({name: value for name, value in given.items() if name != "config"}, environ, sheet)
    known = {*_SECTIONS, "channels", "accounts", *_ELSEWHERE}
    for name in sheet.values:
        if name not in known:
            raise sheet.error((name,), f"is no setting; known are {', '.join(sorted(known))}")
    server = section(Server, "server", sources)
    upstream = section(Upstream, "upstream", sources)
    data_dir = Path(server.data_dir).expanduser() if server.data_dir else default_data_dir(environ, here)
    pools = pools_of(sources, vendors, upstream, data_dir)
    return Settings(
        server=server,
        limits=section(Limits, "limits", sources),
        upstream=upstream,
        keys=section(Keys, "keys", sources),
        health=section(HealthRules, "health", sources),
        ledger=section(Books, "ledger", sources),
        plans=section(Plans, "plans", sources),
        retention=section(Retention, "retention", sources),
        engines=section(EngineRules, "engines", sources),
        offload=section(OffloadRules, "offload", sources),
        vault=section(Vault, "vault", sources),
        data_dir=data_dir,
        routing=section(RoutingRules, "routing", sources),
        affinity=_affinity(sources),
        metrics=section(Metrics, "metrics", sources),
        database_url=server.database_url or "sqlite://",
        channels=(*channels_of(sources, vendors, upstream), *(pool.channel for pool in pools)),
        pools=pools,
        sheet=sheet if path else None,
        findings=tuple(_findings(sources, vendors)),
    )


def _affinity(sources: Sources) -> Affinity:
    try:
        return check_affinity(section(Affinity, "affinity", sources))
    except Wrong as wrong:
        raise sources.sheet.error(("affinity", *wrong.place), wrong.problem) from wrong


def _findings(sources: Sources, vendors: Sequence[Vendor]) -> list[Finding]:
    """Variables that look like settings and are none; keys written into the file; addresses without a key."""
    found: list[Finding] = []
    for variable in sorted(sources.variables):
        if variable.startswith(PREFIX) and variable not in _VARIABLES and not variable.startswith(_FOREIGN):
            found.append(Finding(Level.WARN, "settings", "is no setting of Tollway", variable, "look for a slip"))
    for at, row in enumerate(sources.sheet.values.get("channels", [])):
        for name in ("key", "keys"):
            if row.get(name):
                where = f"{sources.sheet.file}:{sources.sheet.line(('channels', at, name))}: channels[{at}].{name}"
                found.append(Finding(Level.WARN, "settings", "a key stands in the file", where, f"use {name}_env"))
    if sources.sheet.values.get("vault", {}).get("key"):
        where = f"{sources.sheet.file}:{sources.sheet.line(('vault', 'key'))}: vault.key"
        found.append(Finding(Level.WARN, "settings", "a key stands in the file", where, "use TOLLWAY_VAULT_KEY"))
    for name, table in sources.sheet.values.get("accounts", {}).items():
        if table.get("fallback_key"):
            where = f"{sources.sheet.file}:{sources.sheet.line(('accounts', name, 'fallback_key'))}: accounts.{name}"
            found.append(Finding(Level.WARN, "settings", "a key stands in the file", where, "use fallback_key_env"))
    for vendor in vendors:
        if (
            vendor.needs_key
            and not vendor.lends
            and sources.variables.get(vendor.base_env)
            and not sources.variables.get(vendor.key_env)
        ):
            problem = f"an address but no key: no channel to {vendor.name}"
            found.append(Finding(Level.WARN, "settings", problem, vendor.base_env, f"set {vendor.key_env}"))
    return found
