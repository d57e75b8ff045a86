"""The gateway processes of a run: started, killed, stopped, made to go on; each keeps its data folder and its port."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.books.caller import Gone, Line
from bench.process import Process, free_port, surroundings

START_S = 40.0
END_S = 25.0


class Life(NamedTuple):
    """One start of a gateway process, and how it ended."""

    hub: int
    number: int
    began_at: float
    ended_at: float
    how: str
    """`killed`, `lost` (killed, and its journal gone), `ended` (asked to)."""
    name: str
    """What the ledger calls the process: its journal's folder."""


class Gateway:
    """One data folder and the process that serves from it."""

    def __init__(self, number: int, folder: Path, environ: dict[str, str], core: int) -> None:
        self.number, self.folder, self.port = number, folder, free_port()
        self.life, self.up, self.began_at = 0, False, 0.0
        self.name = ""
        self.pauses: list[tuple[int, float, float]] = []
        """(life, from, to) in which it was stopped."""
        self.past: list[Life] = []
        self.busy = asyncio.Lock()
        """Held by whoever torments it."""
        self._environ, self._core = environ, core
        self._process: Process | None = None

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder.with_suffix(".log")

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.life += 1
        self.began_at = time.time()
        deadline = time.monotonic() + START_S
        process = self._begin()
        while not await self._answers():
            code = process.child.poll()
            if time.monotonic() > deadline:
                raise RuntimeError(f"gateway {self.number} does not start ({code}): {self.tail()}")
            if code is not None:  # the database is away: whatever supervises gateways starts them again
                await asyncio.sleep(0.2)
                process = self._begin()
            await asyncio.sleep(0.05)
        self.name = next((each.name for each in (self.folder / "journal").iterdir()), "")
        self.up = True

    def _begin(self) -> Process:
        own = {"TOLLWAY_PORT": str(self.port), "TOLLWAY_DATA_DIR": str(self.folder)}
        argv = [sys.executable, "-m", "tollway", "serve"]
        self._process = Process(argv, self._core, {**self._environ, **own}, self.log)
        return self._process

    async def _answers(self) -> bool:
        try:
            line = await Line.to(self.port)
        except OSError:
            return False
        try:
            line.writer.write(b"GET /health HTTP/1.1\r\nhost: h\r\n\r\n")
            async with asyncio.timeout(2.0):
                return b" 200 " in (await line.more())[:20]
        except (Gone, OSError, TimeoutError):
            return False
        finally:
            line.close()

    def kill(self, lost: bool = False) -> None:
        """`kill -9`; with `lost` all it had on its disk is gone too, but for a database it may hold."""
        self._over("lost" if lost else "killed")
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.child.wait(10)
        if lost:
            shutil.rmtree(self.folder / "journal")

    async def end(self) -> int:
        """Ask it to end, and wait; the exit code."""
        self._over("ended")
        assert self._process is not None
        self._process.child.terminate()
        return await asyncio.to_thread(self._process.child.wait, END_S)

    def _over(self, how: str) -> None:
        self.up = False
        self.past.append(Life(self.number, self.life, self.began_at, time.time(), how, self.name))

    def pause(self) -> None:
        """SIGSTOP."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        self.pauses.append((self.life, time.time(), float("inf")))

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
        life, since, _ = self.pauses[-1]
        self.pauses[-1] = (life, since, time.time())

    def away(self) -> None:
        """Whatever becomes of the run, leave no process behind."""
        if self._process is not None and self._process.child.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.child.kill()
            self._process.child.wait(10)

    def tail(self, lines: int = 12) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def ask(self, method: str, path: str, key: str, body: Any = None) -> Any:
        """One small request of the control plane; its JSON. Raises RuntimeError for anything but 200."""
        data = b"" if body is None else json.dumps(body).encode()
        line = await Line.to(self.port)
        head = f"{method} {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
        try:
            line.writer.write(
                head.encode() + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data
            )
            raw = await asyncio.wait_for(line.reader.read(), 20)
        finally:
            line.close()
        top, _, told = raw.partition(b"\r\n\r\n")
        if top[9:12] not in (b"200", b"201"):
            raise RuntimeError(f"{method} {path}: {raw[:400]!r}")
        return json.loads(told[told.index(b"{") : told.rindex(b"}") + 1])


async def command(environ: dict[str, str], folder: Path, *words: str) -> tuple[int, str]:
    """A command of the CLI on a data folder: (exit code, what it printed)."""
    env = surroundings({**environ, "TOLLWAY_DATA_DIR": str(folder)})
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tollway", *words, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(child.communicate(), 120)
    return child.returncode or 0, out.decode() + err.decode()[-600:]
