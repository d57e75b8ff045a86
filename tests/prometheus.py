"""Prometheus' own tools, where Debian's packages have put them, and a server of our own on a free port."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

START_S = 60.0


def tool(name: str) -> str:
    """The path of `prometheus`, `promtool` or `amtool`; where it is missing the test is skipped."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        package = "prometheus-alertmanager" if name == "amtool" else "prometheus"
        pytest.skip(
            f"{name} is not installed (apt-get install {package}): it alone knows whether rules do what they say"
        )
    return found


def run(*words: str) -> str:
    """What a tool says; fails with all of it when it is not content."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str) -> Any:
        """The data of an answer of its API."""
        words = urllib.parse.urlencode(query)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{words}", timeout=30) as answer:
            told = msgspec.json.decode(answer.read())
        assert told["status"] == "success"
        return told["data"]

    def value(self, query: str) -> float | None:
        """The one number a query comes to; None when it finds nothing."""
        result = self.get("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None


@contextmanager
def running(config: Path) -> Iterator[Prometheus]:
    """Prometheus with this configuration, its data beside it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={config.parent / 'tsdb'}"]
    process = subprocess.Popen(
        [*words, f"--web.listen-address={address}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + START_S
        while not _is_ready(f"http://{address}"):
            assert process.poll() is None and time.monotonic() < deadline, "Prometheus does not start"
            time.sleep(0.05)
        yield Prometheus(f"http://{address}")
    finally:
        process.kill()
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
