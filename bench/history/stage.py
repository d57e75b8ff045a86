"""The hub under test: a database of either kind, a gateway process on it, and all that it says to the database."""

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.postgres import Postgres, one_of_its_own

import tollway
from bench.process import Process

START_S = 60.0
ROOT = Path(__file__).parent.parent.parent


class Ear(Protocol):
    """Hears what the gateway says to its database."""

    def so_far(self) -> int:
        """A mark."""

    def since(self, mark: int) -> list[str]:
        """Every statement after the mark."""


@dataclass
class TraceFile:
    """SQLite: what the gateway's own interpreter noted."""

    file: Path

    def so_far(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def since(self, mark: int) -> list[str]:
        return self.file.read_bytes()[mark:].decode().splitlines()


@dataclass
class ServerLog:
    """PostgreSQL: what the server logged."""

    postgres: Postgres
    url: str

    def __post_init__(self) -> None:
        name = self.url.partition("?")[0].rpartition("/")[2]
        for setting in ("log_statement = 'all'", "log_min_messages = 'log'"):
            self.postgres.run(f"ALTER DATABASE {name} SET {setting}")

    @property
    def _file(self) -> Path:
        return self.postgres.folder / "log"

    def so_far(self) -> int:
        return self._file.stat().st_size

    def since(self, mark: int) -> list[str]:
        told = self._file.read_bytes()[mark:].decode(errors="replace")
        lines = told.split(" LOG:  ")[1:]
        return [
            " ".join(line.partition(": ")[2].split()) for line in lines if line.startswith(("execute", "statement"))
        ]


@dataclass
class Stage:
    """One hub."""

    folder: Path
    database_url: str
    ear: Ear
    process: Process | None = None
    port: int = 0
    settings: str = ""
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def start(self) -> float:
        """Start the gateway; seconds until it answered."""
        (self.folder / "tollway.toml").write_text(self.settings)
        log = self.folder / "serve.log"
        log.unlink(missing_ok=True)
        trace = str(self.folder / "sql.log")
        began = time.monotonic()
        self.process = Process([sys.executable, "-m", "bench.history.gateway", trace, "serve"], 0, self._environ(), log)
        while time.monotonic() < began + START_S:
            said = log.read_text() if log.exists() else ""
            if " answers at " in said:
                url = said.partition(" answers at ")[2].split()[0]
                self.port = int(url.rpartition(":")[2])
                if self.ask("/ready")[0] == 200:
                    return time.monotonic() - began
            time.sleep(0.005)
        raise RuntimeError(f"the gateway did not start: {log.read_text()}")

    def stop(self) -> None:
        """End it, everything written."""
        self._connection = None
        if self.process is not None:
            self.process.stop()
            self.process = None

    def ask(self, path: str, key: str = "", body: Any = None) -> tuple[int, Any, float]:
        """(status, JSON, seconds) over a connection that is kept."""
        data = None if body is None else json.dumps(body)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.perf_counter()
        try:
            self._connection.request("GET" if body is None else "POST", path, data, headers)
            answer = self._connection.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection = None
            return 0, None, time.perf_counter() - began
        return answer.status, json.loads(told) if told[:1] in b"{[" else told.decode(), time.perf_counter() - began

    def tollway(self, *words: str) -> tuple[Any, float]:
        """(what a command printed as JSON, seconds)."""
        began = time.monotonic()
        argv = [sys.executable, "-m", "tollway", *words, "--json"]
        done = subprocess.run(argv, env=self._environ(), capture_output=True, timeout=1800, check=False)
        if not done.stdout:
            raise RuntimeError(done.stderr.decode())
        return json.loads(done.stdout), time.monotonic() - began

    @property
    def admin_key(self) -> str:
        """The administrator that the first start made."""
        return str(json.loads((self.folder / "first-run.json").read_text())["admin_key"])

    def _environ(self) -> dict[str, str]:
        source = str(Path(tollway.__file__).parent.parent)
        return {
            "PYTHONPATH": f"{source}:{ROOT}",
            "TOLLWAY_PORT": "0",
            "TOLLWAY_DATA_DIR": str(self.folder),
            "TOLLWAY_DATABASE_URL": self.database_url,
            "TOLLWAY_CONFIG": str(self.folder / "tollway.toml"),
            "TOLLWAY_LOG_LEVEL": "warning",
        }


@contextmanager
def stage(kind: str, folder: Path) -> Iterator[Stage]:
    """A hub on a database of that kind, which goes when the bench does."""
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            made = Stage(folder, "sqlite://", TraceFile(folder / "sql.log"))
        else:
            server = stack.enter_context(one_of_its_own())
            url = server.fresh("template0")
            made = Stage(folder, url, ServerLog(server, url))
        (folder / "tollway.toml").write_text("")
        try:
            yield made
        finally:
            made.stop()
