"""Every setting, read once at the start from the command line, the environment and tollway.toml, in that order."""

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from tollway.core.caller import KeyLimits
from tollway.core.finding import Finding, Level
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.kit.http1.limits import Limits
from tollway.kit.sendable import bad_base_url, bad_header, is_sendable
from tollway.kit.toml import Place, Sheet, read

T = TypeVar("T", bound=msgspec.Struct)
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]

FILE = "tollway.toml"
_PREFIX = "TOLLWAY_"
_ELSEWHERE = ("models", "fallbacks", "local")
"""Tables of tollway.toml that the catalog reads."""
_FOREIGN = ("TOLLWAY_BENCH_", "TOLLWAY_TEST_", "TOLLWAY_VENV")
"""Variables of our own tools, which are no settings."""


class SettingsError(ValueError):
    """A setting that cannot be used, named by its variable or option. Errors in the file are TomlError."""


class Vendor(NamedTuple):
    """What settings must know of a provider, told by whoever discovered the plug-ins."""

    name: str
    key_env: str = ""
    base_env: str = ""
    base_url: str = ""
    needs_key: bool = True


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: where and how to serve; in the environment `TOLLWAY_PORT` and so on."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """0: the system chooses one."""
    data_dir: str = ""
    """Empty: `tollway` in the user's data folder (XDG)."""
    database_url: str = ""
    """Empty: SQLite in the data folder."""
    front: Literal["http1", "asgi"] = "http1"
    drain_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    """How long calls in flight may go on after SIGTERM."""
    heartbeat_s: Positive = 15.0
    """Silence on a stream after which the caller gets a sign of life."""
    default_model: str = ""
    """Answers requests that name no model; empty: the model of the category `fast` with the cheapest output that a
    channel serves, those of real providers first; where there is none, such requests are refused."""
    tls_cert: str = ""
    tls_key: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        """Without the database URL, which may hold a password."""
        return f"Server({self.host}:{self.port})"


class Upstream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[upstream]`: the wire to providers; a channel may state its own timeouts."""

    connect_timeout_s: Positive = 10.0
    first_byte_timeout_s: Positive = 60.0
    idle_timeout_s: Positive = 120.0
    total_timeout_s: Positive = 600.0
    max_idle_per_origin: Count = 200
    max_per_origin: Annotated[int, msgspec.Meta(gt=0)] = 1000
    idle_max_age_s: Positive = 50.0


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[keys]`: what a new API key gets when nobody says otherwise, and who presents too many bad ones."""

    requests_per_minute: AtLeastOne | None = None
    parallel_calls: AtLeastOne | None = None
    models: tuple[str, ...] | None = None
    days: Count = 90
    """Until it expires; 0: never."""
    first_credits: Count = 1000
    """Test credits of the key made at the first start."""
    lockout_failures: Count = 10
    """Bad keys within `lockout_within_s` that shut an address out for `lockout_locked_s`; 0: nobody is shut out."""
    lockout_within_s: Positive = 300.0
    lockout_locked_s: Positive = 900.0
    lockout_loopback_too: bool = False
    """Whether this machine itself can be shut out."""

    @property
    def limits(self) -> KeyLimits:
        """As the limits of a key."""
        return KeyLimits(self.requests_per_minute, self.parallel_calls, self.models)


class ChannelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[channels]]` row."""

    id: str
    provider: str
    base_url: str = ""
    key: str = ""
    key_env: str = ""
    """Variable that holds the key; better than the key itself in a file."""
    priority: int = 0
    weight: Count = 1
    """Its share of the calls among channels of one priority; 0: only when the others of that priority failed."""
    models: dict[str, str] | list[str] | None = None
    """Model id to upstream name, or a plain list of ids; left out: all that the provider serves."""
    headers: dict[str, str] = {}
    connect_timeout_s: Positive | None = None
    first_byte_timeout_s: Positive | None = None
    idle_timeout_s: Positive | None = None
    total_timeout_s: Positive | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, checked."""

    server: Server
    limits: Limits
    """`[limits]`: what one client may ask of the server."""
    upstream: Upstream
    keys: Keys
    data_dir: Path
    database_url: str
    channels: tuple[Channel, ...]
    sheet: Sheet | None
    """The operator's tollway.toml, for the catalog's `[[models]]`, `[fallbacks]` and `[local]`."""
    findings: tuple[Finding, ...] = ()
    """What the doctor should say about the settings themselves."""

    def __repr__(self) -> str:
        """Without database URL and keys, so that no log can hold them."""
        return f"Settings(server={self.server.host}:{self.server.port}, data_dir={str(self.data_dir)!r})"


class _Sources(NamedTuple):
    """Where settings come from, strongest first."""

    argv: Mapping[str, Any]
    environ: Mapping[str, str]
    sheet: Sheet


def from_process(argv: Mapping[str, Any], vendors: Sequence[Vendor]) -> Settings:
    """The settings of this process. See `load`."""
    return load(os.environ, argv, vendors)


def load(
    environ: Mapping[str, str], argv: Mapping[str, Any], vendors: Sequence[Vendor], here: Path = Path()
) -> Settings:
    """Settings from all sources. `argv` holds `[server]` fields, `config` too; None in it means not given.

    The file is `config` or `TOLLWAY_CONFIG`, else tollway.toml in `here`, else in the data folder. Raises
    SettingsError naming the variable, or TomlError naming file, line and field.
    """
    given = {name: value for name, value in argv.items() if value is not None}
    path = _file(environ, given, here)
    sheet = read(path) if path else Sheet(FILE, {})
    sources = _Sources({name: value for name, value in given.items() if name != "config"}, environ, sheet)
    known = {*_SECTIONS, "channels", *_ELSEWHERE}
    for name in sheet.values:
        if name not in known:
            raise sheet.error((name,), f"is no setting; known are {', '.join(sorted(known))}")
    server = _section(Server, "server", sources)
    upstream = _section(Upstream, "upstream", sources)
    return Settings(
        server=server,
        limits=_section(Limits, "limits", sources),
        upstream=upstream,
        keys=_section(Keys, "keys", sources),
        data_dir=Path(server.data_dir).expanduser() if server.data_dir else _default_data_dir(environ, here),
        database_url=server.database_url or "sqlite://",
        channels=_channels(sources, vendors, upstream),
        sheet=sheet if path else None,
        findings=tuple(_findings(sources, vendors)),
    )


def _file(environ: Mapping[str, str], given: Mapping[str, Any], here: Path) -> Path | None:
    stated = given.get("config") or environ.get("TOLLWAY_CONFIG")
    if stated:
        path = Path(stated).expanduser()
        if not path.is_file():
            raise SettingsError(f"{'--config' if given.get('config') else 'TOLLWAY_CONFIG'}: there is no file {path}")
        return path
    stated_dir = given.get("data_dir") or environ.get("TOLLWAY_DATA_DIR")
    data_dir = Path(stated_dir).expanduser() if stated_dir else _default_data_dir(environ, here)
    return next((path for path in (here / FILE, data_dir / FILE) if path.is_file()), None)


def _default_data_dir(environ: Mapping[str, str], here: Path) -> Path:
    """`tollway` in the user's data folder; in the current folder where there is no home to write to."""
    home = environ.get("HOME", "")
    base = environ.get("XDG_DATA_HOME") or (f"{home}/.local/share" if home else "")
    if base and _is_writable(Path(base)):
        return Path(base) / "tollway"
    return here / "tollway-data"


def _is_writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, may be written to."""
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    return folder.is_absolute() and os.access(nearest, os.W_OK)


def _section(kind: type[T], name: str, sources: _Sources) -> T:
    """One table of the file, changed by the environment and, for `[server]`, by the command line."""
    table = sources.sheet.values.get(name, {})
    stated = dict(sources.sheet.convert(table, dict[str, Any], (name,)))
    sources.sheet.convert(stated, kind, (name,))
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for field in fields.values():
        variable = _variable(name, field.name)
        text = sources.environ.get(variable, "")
        if text:
            stated[field.name] = _from_text(kind, field, text, variable)
        elif isinstance(stated.get(field.name), int | Decimal) and stated[field.name] < 0:
            raise sources.sheet.error((name, field.name), "must not be negative")
    if kind is Server:
        for option, value in sources.argv.items():
            text = str(value) if isinstance(value, Path) else value
            stated[option] = getattr(_converted(kind, {option: text}, f"--{option.replace('_', '-')}"), option)
    return msgspec.convert(stated, kind)


def _variable(section: str, field: str) -> str:
    """`TOLLWAY_PORT`, `TOLLWAY_LIMITS_MAX_BODY`."""
    return _PREFIX + (field if section == "server" else f"{section}_{field}").upper()


def _from_text(kind: type[Any], field: msgspec.structs.FieldInfo, text: str, variable: str) -> Any:
    """The value a variable states; a list is separated by commas."""
    value: Any = text
    if "tuple" in str(field.type):
        value = [item.strip() for item in text.split(",") if item.strip()]
    converted = getattr(_converted(kind, {field.name: value}, variable), field.name)
    if isinstance(converted, int | float) and converted < 0:
        raise SettingsError(f"{variable}: must not be negative")
    return converted


def _converted(kind: type[T], value: Mapping[str, Any], source: str) -> T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        problem = str(error).partition(" - at ")[0]
        raise SettingsError(f"{source}: {problem[:1].lower()}{problem[1:]}") from None


def _channels(sources: _Sources, vendors: Sequence[Vendor], upstream: Upstream) -> tuple[Channel, ...]:
    """Stated channels, then one for each other provider whose key (or, for local engines, base URL) is at hand."""
    known = {vendor.name: vendor for vendor in vendors}
    sheet = sources.sheet
    rows = sheet.convert(sheet.values.get("channels", []), list[ChannelRow], ("channels",))
    channels: dict[str, Channel] = {}
    for at, row in enumerate(rows):
        place = ("channels", at)
        if row.provider not in known:
            raise sheet.error((*place, "provider"), f"no such provider; known are {', '.join(sorted(known))}")
        if row.id in channels or not row.id:
            raise sheet.error((*place, "id"), "must be there, and only once")
        channels[row.id] = _stated(row, place, known[row.provider], sources, upstream)
    stated = {row.provider for row in rows}
    for vendor in vendors:
        channel = _by_itself(vendor, sources.environ, upstream) if vendor.name not in stated else None
        if channel is not None:
            channels.setdefault(channel.id, channel)
    return tuple(channels.values())


def _stated(row: ChannelRow, place: Place, vendor: Vendor, sources: _Sources, upstream: Upstream) -> Channel:
    error = sources.sheet.error
    variable = row.key_env or ("" if row.key else vendor.key_env)
    key = (row.key or sources.environ.get(variable, "")).strip()
    at_key = (*place, "key_env" if row.key_env else "key")
    if not key and (vendor.needs_key or row.key_env):
        raise error(at_key, f"no key: set it, or the variable {variable}")
    if not is_sendable(key):
        raise error(at_key, _UNSENDABLE)
    base_url = row.base_url or sources.environ.get(vendor.base_env, "") or vendor.base_url
    problem = bad_base_url(base_url) if base_url else "this provider has no address of its own: state one"
    if problem:
        raise error((*place, "base_url"), problem)
    for name, value in row.headers.items():
        problem = bad_header(name, value)
        if problem:
            raise error((*place, "headers", name), problem)
    models = {name: name for name in row.models} if isinstance(row.models, list) else row.models
    if models and not all(name and is_sendable(name) for name in models.values()):
        raise error((*place, "models"), "an upstream's name must be printable ASCII")
    times = {name: getattr(row, name) or getattr(upstream, name) for name in _TIMES}
    return Channel(
        id=ChannelId(row.id),
        provider=row.provider,
        base_url=base_url.rstrip("/"),
        key=key,
        priority=row.priority,
        weight=row.weight,
        models=models,
        headers=tuple((name.lower(), value) for name, value in row.headers.items()),
        **times,
    )


def _by_itself(vendor: Vendor, environ: Mapping[str, str], upstream: Upstream) -> Channel | None:
    """The channel that appears without being stated; None when its key or address is missing."""
    key = environ.get(vendor.key_env, "").strip() if vendor.key_env else ""
    moved = environ.get(vendor.base_env, "").strip() if vendor.base_env else ""
    base_url = moved or vendor.base_url
    if not base_url or (vendor.needs_key and not key):
        return None
    problem = bad_base_url(base_url)
    if problem:
        raise SettingsError(f"{vendor.base_env}: {problem}")
    if not is_sendable(key):
        raise SettingsError(f"{vendor.key_env}: {_UNSENDABLE}")
    times = {name: getattr(upstream, name) for name in _TIMES}
    return Channel(id=ChannelId(vendor.name), provider=vendor.name, base_url=base_url.rstrip("/"), key=key, **times)


def _findings(sources: _Sources, vendors: Sequence[Vendor]) -> list[Finding]:
    """Variables that look like settings and are none; keys written into the file; addresses without a key."""
    found: list[Finding] = []
    for variable in sorted(sources.environ):
        if variable.startswith(_PREFIX) and variable not in _VARIABLES and not variable.startswith(_FOREIGN):
            found.append(Finding(Level.WARN, "settings", "is no setting of Tollway", variable, "look for a slip"))
    for at, row in enumerate(sources.sheet.values.get("channels", [])):
        if row.get("key"):
            where = f"{sources.sheet.file}:{sources.sheet.line(('channels', at, 'key'))}: channels[{at}].key"
            found.append(Finding(Level.WARN, "settings", "a key stands in the file", where, "use key_env"))
    for vendor in vendors:
        if vendor.needs_key and sources.environ.get(vendor.base_env) and not sources.environ.get(vendor.key_env):
            problem = f"an address but no key: no channel to {vendor.name}"
            found.append(Finding(Level.WARN, "settings", problem, vendor.base_env, f"set {vendor.key_env}"))
    return found


_UNSENDABLE = "the key holds characters that no header can carry"
_TIMES = ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s")
_SECTIONS: dict[str, type[Any]] = {
    "server": Server,
    "limits": Limits,
    "upstream": Upstream,
    "keys": Keys,
}
_VARIABLES = frozenset(
    _variable(name, field.name) for name, kind in _SECTIONS.items() for field in msgspec.structs.fields(kind)
) | {"TOLLWAY_CONFIG"}
