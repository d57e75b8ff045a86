"""Processes of the bench: started on one core, watched through /proc, ended with the bench whatever happens."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_KEPT = ("HOME", "LANG", "PATH", "TMPDIR")


class Cpu(NamedTuple):
    """CPU time of a process tree so far, seconds."""

    user_s: float
    system_s: float

    def since(self, earlier: "Cpu") -> "Cpu":
        """What was spent after `earlier`."""
        return Cpu(self.user_s - earlier.user_s, self.system_s - earlier.system_s)

    @property
    def total_s(self) -> float:
        """User and system."""
        return self.user_s + self.system_s


class Process:
    """A child process pinned to one core; ends with this one, also when this one is killed."""

    def __init__(self, argv: Sequence[str], core: int, environ: Mapping[str, str], output: Path | None = None) -> None:
        self._core = core
        sink = output.open("ab") if output else subprocess.PIPE
        try:
            self.child = subprocess.Popen(
                list(argv), env=surroundings(environ), stdin=subprocess.DEVNULL, stdout=sink, start_new_session=True,
                stderr=subprocess.STDOUT if output else None, preexec_fn=self._settle,  # noqa: PLW1509 - the bench has one thread
            )  # fmt: skip
        finally:
            if output:
                sink.close()  # type: ignore[union-attr]
        self.pid = self.child.pid

    def _settle(self) -> None:
        """In the child, before it becomes the program."""
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, {self._core})
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def line(self) -> str:
        """The next line it prints."""
        assert self.child.stdout is not None
        return self.child.stdout.readline().decode()

    def rest(self, timeout_s: float) -> str:
        """All it prints until it ends. Raises subprocess.TimeoutExpired."""
        return self.child.communicate(timeout=timeout_s)[0].decode()

    def stop(self) -> None:
        """Ask it to end; after ten seconds make it."""
        family = tree(self.pid)
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.child.wait(10)
        if self.child.stdout:
            self.child.stdout.close()


def surroundings(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process: what all need, and `more`; nothing else that happens to be set here."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(more)


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(_stat(folder.name)[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def _stat(pid: int | str) -> list[str]:
    """/proc/PID/stat from the third field on: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def cpu_of(pids: Sequence[int]) -> Cpu:
    """CPU time of these processes, all their threads, and the children they have waited for."""
    user = system = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return Cpu(user * TICK_S, system * TICK_S)


def resident_kb(pids: Sequence[int]) -> float:
    """Resident memory of these processes, KB; pages they share count once for each."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * PAGE / 1024


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
