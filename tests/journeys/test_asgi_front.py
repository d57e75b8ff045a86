"""The same stories on the other floors: uvicorn in front of the handler, and asyncio without uvloop."""

import http.client
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.journeys.hub import Hub, Providers

WITHOUT_UVLOOP = 'import sys\n\nsys.modules["uvloop"] = None\n'
SECONDS = 5.0


@pytest.fixture(scope="module", params=["asgi", "stock loop"])
def floor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the environment must say."""
    environ = {"TOLLWAY_FRONT": "asgi"} if "asgi" in request.param else {}
    if "stock" in request.param:
        folder = tmp_path_factory.mktemp("site")
        (folder / "sitecustomize.py").write_text(WITHOUT_UVLOOP)
        environ["PYTHONPATH"] = str(folder)
    return environ


@pytest.fixture(scope="module")
def there(floor: dict[str, str], vendors: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A gateway on that floor, with channels to all three."""
    hub = Hub(tmp_path_factory.mktemp("floor"), {**vendors.environ, **floor}).start()
    yield hub
    if hub.process is not None:
        hub.stop()


def chat(text: str = "hi", model: str = "gpt-5-mini", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 200, **more}


CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
QUESTIONS = [
    ("/v1/chat/completions", chat()),
    ("/v1/messages", chat(model="claude-haiku")),
    ("/v1/messages", chat(model="gpt-5-mini")),
    ("/v1beta/models/gemini-3-flash:generateContent", CONTENTS),
    ("/v1/chat/completions", chat(stream=True)),
    ("/v1/messages", chat(model="claude-haiku", stream=True)),
    ("/v1/messages", chat(model="gemini-3-flash", stream=True)),
    ("/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse", CONTENTS),
    ("/v1beta/models/claude-haiku:streamGenerateContent", CONTENTS),
]


@pytest.mark.parametrize(("path", "body"), QUESTIONS)
def test_every_dialect_answers_whole_and_streamed(there: Hub, path: str, body: dict[str, Any]) -> None:
    status, headers, told = there.ask(path, body, there.keys["api_key"])
    assert status == 200, told
    text = told if isinstance(told, str) else json.dumps(told)
    assert "You" in text and " said:" in text and " hi" in text
    assert headers["x-request-id"].startswith("req_")
    receipt = there.receipt(headers["x-request-id"], there.keys["api_key"])
    assert receipt["reason"] == "completed" and receipt["attempts"]


def test_refusals_are_in_the_callers_dialect(there: Hub) -> None:
    assert there.ask("/v1/messages", chat(), "inf_wrong")[2]["type"] == "error"
    assert there.ask("/v1/chat/completions", b"{", there.keys["api_key"])[0] == 400
    assert there.ask("/v1beta/models/nobody:generateContent", CONTENTS, there.keys["api_key"])[0] == 404
    assert there.ask("/v1/chat/completions", chat())[0] == 401
    assert there.ask("/v1/models", key=there.keys["api_key"])[0] == 200
    assert there.ask("/nowhere", key=there.keys["api_key"])[0] == 404


def opened(hub: Hub, body: dict[str, Any]) -> socket.socket:
    """A raw connection on which a call was sent, read until its first words."""
    parts = urlsplit(hub.url)
    assert parts.hostname and parts.port
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {hub.keys['api_key']}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    wire = socket.create_connection((parts.hostname, parts.port), timeout=10)
    wire.sendall(head.encode() + data)
    got = b""
    while b"content" not in got.partition(b"\r\n\r\n")[2]:
        more = wire.recv(65536)
        assert more, got
        got += more
    return wire


def test_a_caller_who_leaves_closes_the_provider_and_pays_for_what_was_said(there: Hub, vendors: Providers) -> None:
    before = len(vendors.openai.requests)
    wire = opened(there, chat("[[slow:200]] one two three four five six seven eight", stream=True))
    wire.close()
    (asked,) = vendors.openai.requests[before:]
    asked.wait_aborted(SECONDS)
    there.tollway("ledger", "audit")


def test_a_whole_answer_left_before_it_came_closes_the_provider(there: Hub, vendors: Providers) -> None:
    before = len(vendors.openai.requests)
    parts = urlsplit(there.url)
    call = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    body = json.dumps(chat("[[slow:3000]] late"))
    call.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {there.keys['api_key']}"})
    deadline = time.monotonic() + SECONDS
    while len(vendors.openai.requests) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    call.close()
    vendors.openai.requests[before].wait_aborted(2.5)


def test_a_large_body_and_a_large_answer_arrive_whole(there: Hub) -> None:
    status, _, told = there.ask("/v1/chat/completions", chat("word " * 100_000), there.keys["api_key"])
    assert status == 200 and len(told["choices"][0]["message"]["content"]) > 300, told


def test_sigterm_lets_calls_finish_and_the_exit_is_clean(
    floor: dict[str, str], start: Callable[..., Hub], vendors: Providers
) -> None:
    hub = start({**vendors.environ, **floor})
    body = json.dumps(chat("[[slow:150]] one two three four five", stream=True))
    curl = ["curl", "-sSN", f"{hub.url}/v1/chat/completions", "-H", f"authorization: Bearer {hub.keys['api_key']}"]
    with subprocess.Popen([*curl, "-d", body], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        assert hub.stop(signal.SIGTERM) == 0
        rest = running.stdout.read()
    assert "[DONE]" in first + rest
    assert "Traceback" not in log_of(hub)
    assert hub.audit() == []


def log_of(hub: Hub) -> str:
    return (hub.folder / "serve.log").read_text()


def test_a_call_that_will_not_end_is_cut_when_the_time_to_drain_is_over_and_settled(
    floor: dict[str, str], start: Callable[..., Hub], vendors: Providers
) -> None:
    hub = start({**vendors.environ, **floor, "TOLLWAY_DRAIN_S": "1"})
    wire = opened(hub, chat("[[slow:1000]] " + "word " * 60, stream=True, model="echo"))
    begun = time.monotonic()
    assert hub.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 15
    wire.close()
    assert "Traceback" not in log_of(hub)
    assert hub.audit() == []
    hub.start()
    assert hub.audit() == []


def test_a_second_sigterm_ends_it_at_once(floor: dict[str, str], start: Callable[..., Hub], vendors: Providers) -> None:
    hub = start({**vendors.environ, **floor})
    wire = opened(hub, chat("[[slow:1000]] " + "word " * 60, stream=True, model="echo"))
    assert hub.process is not None
    hub.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    begun = time.monotonic()
    assert hub.stop(signal.SIGTERM) == 130
    assert time.monotonic() - begun < 10
    wire.close()
    hub.start()
    assert hub.audit() == []


def test_the_stock_loop_is_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_UVLOOP)
    told = subprocess.run(
        ["python3", "-c", "import uvloop"], env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert told.returncode != 0
