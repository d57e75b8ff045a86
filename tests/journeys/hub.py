"""Starts a real gateway process in front of mock providers."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.mocks.anthropic import app as anthropic_app
from tests.mocks.gemini import app as gemini_app
from tests.mocks.openai import app as openai_app
from tests.mocks.server import MockServer

START_S = 30.0
NewDatabase = Callable[[], dict[str, str]]
"""Makes a database for a gateway: what its environment must say to use it."""


FORGIVING = {
    "TOLLWAY_HEALTH_FAILURE_THRESHOLD": "1000000",
    "TOLLWAY_HEALTH_MIN_CALLS": "1000000",
    "TOLLWAY_HEALTH_KEYWORD_FAILURES": "1000000",
    "TOLLWAY_HEALTH_COOLDOWN_S": "0.001",
    "TOLLWAY_HEALTH_COOLDOWN_MAX_S": "0.001",
    "TOLLWAY_HEALTH_PROBE": "false",
}
"""Many stories share one gateway, and most of them are of failing providers: none may find a channel at rest because of
another's. What rests, and for how long, is told where it is tested."""


@dataclass
class Providers:
    """The three vendors' mocks, each on a port of its own."""

    openai: MockServer
    anthropic: MockServer
    gemini: MockServer

    @property
    def environ(self) -> dict[str, str]:
        """What makes channels to them appear."""
        return {
            "OPENAI_API_KEY": "sk-test-openai",
            "OPENAI_BASE_URL": f"{self.openai.url}/v1",
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": self.anthropic.url,
            "GEMINI_API_KEY": "AIza-test",
            "GEMINI_BASE_URL": self.gemini.url,
            **FORGIVING,
        }

    def mend(self) -> None:
        """No faults any more."""
        for mock in (self.openai, self.anthropic, self.gemini):
            mock.mend()


@contextmanager
def providers() -> Iterator[Providers]:
    """All three, running."""
    with ExitStack() as stack:
        yield Providers(*(stack.enter_context(MockServer(app)) for app in (openai_app, anthropic_app, gemini_app)))


@dataclass
class Hub:
    """A gateway process on a data folder; it may be killed and started again."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    toml: str = ""
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    log: str = ""

    def laid(self) -> "Hub":
        """With its folder and its operator's file there; not started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tollway.toml").write_text(self.toml)
        return self

    def start(self) -> "Hub":
        """Start and wait until it answers."""
        self.laid()
        output = (self.folder / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tollway", "serve"], env=self._env(), stdout=output, stderr=output
        )
        output.close()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.log = (self.folder / "serve.log").read_text()
            said = [line for line in self.log.splitlines() if line.startswith("Tollway answers at ")]
            if said and len(said) > self.log.count("\n-- stopped --"):
                self.url = said[-1].removeprefix("Tollway answers at ").strip()
                if self._answers():
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the gateway did not start:\n{self.log}")

    def _env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        return {
            **kept,
            "TOLLWAY_PORT": "0",
            "TOLLWAY_DATA_DIR": str(self.folder),
            "TOLLWAY_CONFIG": str(self.folder / "tollway.toml"),
            **self.environ,
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM, wait_s: float = 40.0) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(wait_s)
        with (self.folder / "serve.log").open("a") as log:
            log.write("\n-- stopped --\n")
        self.process = None
        return code

    @property
    def keys(self) -> dict[str, str]:
        """What the first start wrote."""
        return dict(json.loads((self.folder / "first-run.json").read_text()))

    def tollway(self, *words: str, check: bool = True) -> Any:
        """Run a command of the CLI with `--json` and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "tollway", *words, "--json"],
            env=self._env(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout) if done.stdout.strip() else None

    def user(self, credits: float, name: str = "") -> tuple[str, str]:
        """A new user with credit: (user id, API key)."""
        made = self.tollway(
            "users", "create", name or f"u{time.monotonic_ns()}@test.example", "--credits", str(credits)
        )
        return made["user_id"], made["api_key"]

    def audit(self) -> list[Any]:
        """The differences `tollway ledger audit` finds; none when the books are exact."""
        told = self.tollway("ledger", "audit", check=False)
        return list(told["differences"])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database itself says, without the gateway between."""
        url = self.environ.get("TOLLWAY_DATABASE_URL", "")
        if url:
            with psycopg.connect(url) as server:
                return server.execute(sql.encode()).fetchall()
        with closing(sqlite3.connect(self.folder / "tollway.db")) as file:
            return file.execute(sql).fetchall()

    def tables(self) -> list[str]:
        """The names of its tables."""
        of_server = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        of_file = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return [str(name) for (name,) in self.rows(of_server if self.environ.get("TOLLWAY_DATABASE_URL") else of_file)]

    def ask(self, path: str, body: Any = None, key: str = "", **headers: str) -> tuple[int, dict[str, str], Any]:
        """One plain request: (status, headers, JSON or text)."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, lines)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return (
                    answer.status,
                    {name.lower(): value for name, value in answer.headers.items()},
                    _read(answer.read()),
                )
        except urllib.error.HTTPError as error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, _read(error.read())

    def receipt(self, call: str, key: str) -> Any:
        """The receipt of a call."""
        status, _, told = self.ask(f"/v1/receipts/{call}", key=key)
        assert status == 200, told
        return told


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")
