"""Commands about local engines, which say themselves what they serve."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mocks.server import MockAnswer, MockRequest, MockServer
from tests.test_cli import Shell


def ollama(request: MockRequest) -> MockAnswer:
    if request.path == "/api/tags":
        return MockAnswer.of_json({"models": [{"name": "qwen3:latest"}]})
    if request.path == "/api/ps":
        return MockAnswer.of_json({"models": []})
    message = {"role": "assistant", "content": "hi"}
    return MockAnswer.of_json(
        {"id": "x", "object": "chat.completion", "created": 1, "model": "qwen3:latest",
         "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
    )  # fmt: skip


@pytest.fixture
def engine() -> Iterator[MockServer]:
    with MockServer(ollama) as server:
        yield server


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: MockServer) -> Shell:
    foreign = ("_API_KEY", "_BASE_URL")
    for name in [name for name in os.environ if name.startswith("TOLLWAY_") or name.endswith(foreign)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLLAMA_HOST", engine.url)
    return Shell(tmp_path / "data")


def test_a_channel_is_tested_with_a_model_that_its_engine_lists(shell: Shell, engine: MockServer) -> None:
    tested = shell.json("channels", "test", "ollama")
    assert (tested["ok"], tested["model"], tested["upstream_model"]) == (True, "ollama/qwen3:latest", "qwen3:latest")
    assert json.loads(engine.requests[-1].body)["model"] == "qwen3:latest"


def test_a_name_without_its_usual_tag_is_explained(shell: Shell) -> None:
    for name in ("qwen3", "ollama/qwen3"):
        told = shell.json("route", "explain", name)
        assert (told["model"], told["candidates"][0]["upstream_model"]) == ("ollama/qwen3:latest", "qwen3:latest")
