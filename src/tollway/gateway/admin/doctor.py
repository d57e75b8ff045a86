"""Examines a configured gateway and says what is wrong with it, where, and what to do about it."""

import asyncio
import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tollway.core.finding import Finding, Level
from tollway.core.ids import ChannelId
from tollway.core.model import Channel, Model
from tollway.gateway.admin.database_health import database
from tollway.gateway.catalog import Catalog
from tollway.kit.http1.wire import UpstreamError
from tollway.kit.toml import Place, Sheet, show
from tollway.ports import Clock, Database

PROBE_S = 10.0
"""How long a channel may take to answer the doctor."""
Probe = Callable[[Channel], Awaitable[str]]
"""Says what is wrong with a channel, empty when nothing is. May raise OSError, TimeoutError or UpstreamError."""

_SECRET_FILES = ("first-run.json", "*.db", "*.key", "*.keys", "*.pem", "*_accounts.json*")


@dataclass(frozen=True)
class Subject:
    """Everything the doctor looks at."""

    catalog: Catalog
    channels: Sequence[Channel]
    data_dir: Path
    database: Database
    database_url: str
    clock: Clock
    sheet: Sheet | None = None
    """The operator's file, to name lines."""
    probe: Probe | None = None
    """Without it, no channel is called."""
    findings: Sequence[Finding] = ()
    """What was found before, e.g. by reading the settings."""
    relief: Mapping[str, str] = field(default_factory=dict)
    """Of `[offload.models]`: a model's name to that of the model that answers instead, empty for its own channels."""
    lent: frozenset[ChannelId] = frozenset()
    """Channels that are pools of accounts: those lend their tokens to calls, not to the doctor."""


async def examine(subject: Subject) -> list[Finding]:
    """All findings, in the order of a walk through the gateway; never raises for what it examines."""
    found = list(subject.findings)
    found += clock(subject.clock.now_s(), subject.catalog.version)
    found += data_folder(subject.data_dir)
    found += await database(subject.database, subject.database_url)
    found += prices(subject.catalog)
    found += channels(subject.channels, subject.catalog, subject.sheet)
    found += models(subject.channels, subject.catalog, subject.sheet)
    found += fallbacks(subject.catalog, subject.sheet)
    found += relief(subject.relief, subject.catalog, subject.sheet)
    found += await reach([one for one in subject.channels if one.id not in subject.lent], subject.probe)
    return found


def clock(now_s: float, version: str) -> list[Finding]:
    """Keys expire and receipts are dated by the clock: it cannot stand before our own price table was made."""
    now = datetime.fromtimestamp(now_s, UTC)
    try:
        made = datetime.fromisoformat(version[:10]).replace(tzinfo=UTC)
    except ValueError:
        return []
    if now.timestamp() < made.timestamp() - 86_400:
        message = f"says {now:%Y-%m-%d}, but the price table is of {made:%Y-%m-%d}"
        return [Finding(Level.ERROR, "clock", message, remedy="set the system's clock")]
    return [Finding(Level.OK, "clock", f"{now:%Y-%m-%d %H:%M} UTC")]


def data_folder(folder: Path) -> list[Finding]:
    """It must be a folder we can write to, and what is secret in it must be for us alone."""
    where = str(folder)
    if not folder.exists():
        return [Finding(Level.OK, "data folder", "will be made at the first start", where)]
    if not folder.is_dir():
        return [Finding(Level.ERROR, "data folder", "is not a folder", where, "set TOLLWAY_DATA_DIR")]
    trial = folder / ".doctor"
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        message = f"cannot be written to: {error.strerror}"
        return [Finding(Level.ERROR, "data folder", message, where, "give it to the user that runs Tollway")]
    found = [Finding(Level.OK, "data folder", "can be written to", where)]
    for pattern in _SECRET_FILES:
        for file in sorted(folder.glob(pattern)):
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & 0o077:
                remedy = f"chmod 600 {file}"
                found.append(Finding(Level.WARN, "data folder", f"others may read it ({mode:o})", str(file), remedy))
    return found


def prices(catalog: Catalog) -> list[Finding]:
    """The catalog refuses a model without a price, so whatever is in it is priced."""
    return [Finding(Level.OK, "prices", f"{len(catalog)} models on sale, price card {catalog.version}")]


def channels(found: Sequence[Channel], catalog: Catalog, sheet: Sheet | None) -> list[Finding]:
    """Which channels there are, and whether what they claim to serve is on sale."""
    if not found:
        remedy = "set a provider's key, e.g. OPENAI_API_KEY, or state [[channels]]"
        return [Finding(Level.ERROR, "channels", "there is none, no call can be answered", remedy=remedy)]
    findings = []
    for channel in found:
        what, row = f"channel {channel.id}", _row(sheet, "channels", channel.id)
        findings.append(Finding(Level.OK, what, f"{channel.provider} at {channel.base_url}", _where(sheet, row)))
        for name in channel.models or ():
            if catalog.find(name) is None:
                message = f"serves {name}, which is not on sale"
                where = _where(sheet, (*row, "models") if row else ())
                findings.append(Finding(Level.ERROR, what, message, where, "add a [[models]] row with a price"))
    return findings


def serves(channel: Channel, model: Model) -> bool:
    """Whether a channel is a way to a model."""
    return model.id in channel.models if channel.models is not None else channel.provider in model.served_by


def models(found: Sequence[Channel], catalog: Catalog, sheet: Sheet | None) -> list[Finding]:
    """Models that no channel serves: one word about our own table, an error for each the operator stated."""
    findings, missing = [], []
    for model in catalog:
        if any(serves(channel, model) for channel in found):
            continue
        row = _row(sheet, "models", model.id)
        if row:
            message = f"no channel serves it; it is sold by {', '.join(sorted(model.served_by))}"
            findings.append(Finding(Level.ERROR, f"model {model.id}", message, _where(sheet, row), "add a channel"))
        else:
            missing.append(model.id)
    if missing:
        remedy = "set the providers' keys, or disable them in [[models]]"
        findings.append(Finding(Level.WARN, "models", f"no channel serves {', '.join(missing)}", remedy=remedy))
    return findings or [Finding(Level.OK, "models", "each has a channel")]


def fallbacks(catalog: Catalog, sheet: Sheet | None) -> list[Finding]:
    """Every fallback must be on sale, and must not be the model itself."""
    findings = []
    for model in catalog:
        for name in model.fallbacks:
            target = catalog.find(name)
            if target is not None and target.id != model.id:
                continue
            message = f"falls back to {name}, " + ("which is not on sale" if target is None else "itself")
            where = _where(sheet, _fallbacks_place(sheet, model.id))
            findings.append(Finding(Level.ERROR, f"model {model.id}", message, where, "name a model on sale"))
    return findings


def relief(named: Mapping[str, str], catalog: Catalog, sheet: Sheet | None) -> list[Finding]:
    """Whoever is to relieve a local engine must be on sale, else its queue grows without end."""
    return [
        Finding(
            Level.ERROR,
            f"offload of {name}",
            f"to {to}, which is not on sale: nobody relieves its engines",
            _where(sheet, ("offload", "models", name, "to")),
            "name a model on sale",
        )
        for name, to in named.items()
        if to and catalog.find(to) is None
    ]


async def reach(found: Sequence[Channel], probe: Probe | None, limit_s: float = PROBE_S) -> list[Finding]:
    """Call every channel at once and hear what it says."""
    if probe is None:
        return []
    return list(await asyncio.gather(*(_reach(channel, probe, limit_s) for channel in found)))


async def _reach(channel: Channel, probe: Probe, limit_s: float) -> Finding:
    what = f"channel {channel.id}"
    try:
        problem = await asyncio.wait_for(probe(channel), limit_s)
    except TimeoutError:
        problem = f"gave no answer within {limit_s:g} s"
    except (OSError, UpstreamError) as error:
        problem = f"cannot be reached: {error}"
    if problem:
        return Finding(Level.ERROR, what, problem, channel.base_url, "check its address and key")
    return Finding(Level.OK, what, "answers", channel.base_url)


def _row(sheet: Sheet | None, table: str, id: str) -> Place:
    """Where the operator's row of that id stands; empty when there is none."""
    rows: Iterable[Mapping[str, object]] = sheet.values.get(table, ()) if sheet is not None else ()
    return next(((table, at) for at, row in enumerate(rows) if row.get("id") == id), ())


def _fallbacks_place(sheet: Sheet | None, id: str) -> Place:
    if sheet is not None and id in sheet.values.get("fallbacks", {}):
        return ("fallbacks", id)
    row = _row(sheet, "models", id)
    return (*row, "fallbacks") if row else ()


def _where(sheet: Sheet | None, place: Place) -> str:
    """`file:line: field`; empty when the place is not in the file."""
    line = sheet.line(place) if sheet is not None and place else 0
    return f"{sheet.file}:{line}: {show(place)}" if sheet is not None and line else ""
