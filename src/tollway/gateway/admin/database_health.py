"""Examines the database: reachable, new enough, with a schema that this program knows and room for its connections."""

from importlib.resources import files
from typing import NamedTuple

from tollway.core.errors import TollwayError
from tollway.core.finding import Finding, Level
from tollway.ports import Database, Transaction

_HAS_VERSION = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'",
    "postgresql": "SELECT count(*) FROM information_schema.tables WHERE table_name = 'alembic_version'",
}
_SERVER = """
SELECT current_setting('server_version'), CAST(current_setting('server_version_num') AS INTEGER),
current_setting('server_encoding'), NOT pg_is_in_recovery(),
CAST(current_setting('max_connections') AS INTEGER)
- CAST(current_setting('superuser_reserved_connections') AS INTEGER),
(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
"""
_OLDEST = 150_000
_CONNECTIONS = 4


async def database(port: Database, url: str) -> list[Finding]:
    """Reachable, and its schema as new as this program."""
    kind = "postgresql" if url.startswith("postgres") else "sqlite"
    newest = max(
        (entry.name.split("_")[0] for entry in (files("tollway") / "data/migrations/versions").iterdir()), default=""
    )

    def version(sql: Transaction) -> str:
        if not sql.run(_HAS_VERSION[kind])[0][0]:
            return ""
        rows = sql.run("SELECT version_num FROM alembic_version")
        return str(rows[0][0]) if rows else ""

    try:
        found = await port.read(version)
        of_server = server(await port.read(_state_of_server)) if kind == "postgresql" else []
    except (TollwayError, OSError) as error:
        why = f"{error}: {' '.join(str(error.__cause__).split())}" if error.__cause__ else str(error)
        return [Finding(Level.ERROR, "database", why, "TOLLWAY_DATABASE_URL", "start it, or correct the URL")]
    return [_schema(kind, found, newest), *of_server]


def _schema(kind: str, found: str, newest: str) -> Finding:
    if found == newest:
        return Finding(Level.OK, "database", f"{kind}, schema {found}")
    state = f"schema {found}, this program has {newest}" if found else f"{kind}, still empty"
    if found > newest:
        return Finding(Level.ERROR, "database", state, remedy="run the newer Tollway that made it")
    return Finding(Level.WARN, "database", state, remedy="tollway migrate, or just start")


class ServerState(NamedTuple):
    """What a PostgreSQL says of itself."""

    version: str
    number: int
    encoding: str
    writable: bool
    most: int
    """Connections that it takes from ordinary users."""
    used: int


def _state_of_server(sql: Transaction) -> ServerState:
    return ServerState(*sql.run(_SERVER)[0])


def server(state: ServerState) -> list[Finding]:
    """New enough, able to keep every character, not a copy that only reads, and with room for our connections."""
    what, version = "postgresql", state.version.split()[0]
    found = []
    if state.number < _OLDEST:
        message = f"is {version}; {_OLDEST // 10_000} is the oldest that Tollway is tried with"
        found.append(Finding(Level.WARN, what, message, remedy="a newer server"))
    if state.encoding != "UTF8":
        remedy = "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        found.append(Finding(Level.ERROR, what, f"the database is encoded in {state.encoding}", remedy=remedy))
    if not state.writable:
        found.append(Finding(Level.ERROR, what, "only reads: it is a standby", remedy="name the primary in the URL"))
    if state.most - state.used < _CONNECTIONS:
        message = f"{state.used} of {state.most} connections are in use; a gateway process wants {_CONNECTIONS}"
        found.append(Finding(Level.WARN, what, message, remedy="raise max_connections, or put a pooler before it"))
    return found or [Finding(Level.OK, what, f"{version}, {state.used} of {state.most} connections in use")]
