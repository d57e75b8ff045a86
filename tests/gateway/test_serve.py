"""Serving from settings: addresses as people type them, TLS, ports that are taken, a database that is not there."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import vendors
from tests.journeys.hub import Hub
from tollway.gateway.serve import url_of
from tollway.settings import load


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    made: list[Hub] = []

    def make(environ: dict[str, str], toml: str = "") -> Hub:
        hub = Hub(tmp_path / f"hub{len(made)}", environ, toml)
        made.append(hub)
        return hub.start()

    yield make
    for hub in made:
        if hub.process is not None:
            hub.stop()


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")]
)
def test_the_printed_address_is_one_a_person_can_open(tmp_path: Path, host: str, shown: str) -> None:
    settings = load({"TOLLWAY_DATA_DIR": str(tmp_path)}, {}, vendors(), tmp_path)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            pytest.skip("no such address here")
        assert url_of(settings, sock) == f"http://{shown}:{sock.getsockname()[1]}"


@pytest.fixture(autouse=True)
def usual_opener() -> Iterator[None]:
    """Whatever a test trusted is trusted no more."""
    yield
    urllib.request.install_opener(urllib.request.build_opener())


def certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
@pytest.mark.parametrize("front", ["http1", "asgi"])
def test_tls_ends_here_when_a_certificate_is_stated(start: Callable[..., Hub], tmp_path: Path, front: str) -> None:
    cert, key = certificate(tmp_path)
    trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(cert)))
    urllib.request.install_opener(urllib.request.build_opener(trusting))
    hub = start({"TOLLWAY_TLS_CERT": str(cert), "TOLLWAY_TLS_KEY": str(key), "TOLLWAY_FRONT": front})
    assert hub.url.startswith("https://")
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    for stream in (False, True):
        status, _, told = hub.ask("/v1/chat/completions", {**body, "stream": stream}, hub.keys["api_key"])
        assert status == 200 and told
    assert hub.stop() == 0


def failing(folder: Path, environ: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tollway", "serve"], env=Hub(folder, environ)._env() | environ, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).decode()


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "tollway.toml").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = failing(tmp_path, {"TOLLWAY_PORT": str(taken.getsockname()[1])})
    assert code == 4 and len(said.strip().splitlines()) == 1 and "in use" in said, said


@pytest.mark.parametrize(
    "environ",
    [
        {"TOLLWAY_DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:9/none"},
        {"TOLLWAY_TLS_CERT": "/dev/null/cert.pem"},
        {"TOLLWAY_TLS_CERT": "/dev/null/cert.pem", "TOLLWAY_FRONT": "asgi"},
        {"TOLLWAY_DATABASE_URL": "sqlite:////dev/null/all.db"},
    ],
)
def test_what_cannot_be_had_is_told_in_a_line_and_leaves_no_traceback(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "tollway.toml").write_text("")
    code, said = failing(tmp_path, environ)
    assert code == 4 and "Traceback" not in said and "hunter2" not in said, said


def test_a_second_server_on_the_folder_is_refused_and_the_first_goes_on(start: Callable[..., Hub]) -> None:
    hub = start({})
    code, said = failing(hub.folder, {"TOLLWAY_PORT": "0"})
    assert code == 4 and "Traceback" not in said, said
    assert hub._answers()


def test_the_log_says_as_much_as_is_wanted(start: Callable[..., Hub]) -> None:
    said = []
    for level in ("info", "warning"):
        hub = start({"TOLLWAY_LOG_LEVEL": level})
        assert hub.stop() == 0
        said.append("INFO tollway.serve stopping" in (hub.folder / "serve.log").read_text())
    assert said == [True, False]


def test_ready_turns_503_while_calls_are_finished(start: Callable[..., Hub]) -> None:
    hub = start({})
    with urllib.request.urlopen(f"{hub.url}/ready") as answer:
        assert json.loads(answer.read()) == {"status": "ready"}
