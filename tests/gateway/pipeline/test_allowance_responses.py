"""Responses, asked for or spoken by a provider: a stream ends at its limit where the credits do."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import KEYS, Ear, Played, frames, open_stage
from tests.gateway.pipeline.test_allowance import PATHS, SPEAKERS, STOP, WORD, body, ended_by_length
from tollway.core.receipt import Reason

RESPONSES = """
[[channels]]
id = "newer"
provider = "openai_responses"
models = { "gpt-5-mini" = "gpt-5-mini" }
"""


def responses_words(count: int) -> list[bytes]:
    """A provider that speaks Responses."""

    def said(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    begun = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "up",
        "status": "in_progress",
        "output": [],
    }
    place: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    opened = [
        said("response.created", response=begun, sequence_number=0),
        said("response.output_item.added", output_index=0, item=item, sequence_number=1),
        said("response.content_part.added", **place, part={"type": "output_text", "text": ""}, sequence_number=2),
    ]
    words = [
        said("response.output_text.delta", **place, delta=WORD, sequence_number=3 + number) for number in range(count)
    ]
    return opened + words


def asked(surface: str, model: str) -> tuple[str, dict[str, Any]]:
    """Path and body of a stream of up to 64,000 tokens."""
    if surface == "responses":
        return "/v1/responses", {"model": model, "input": "hi", "max_output_tokens": 64_000, "stream": True}
    return PATHS[surface], body(surface, model)


def ended(surface: str, ear: Ear) -> dict[str, Any]:
    """As `ended_by_length`."""
    if surface != "responses":
        return ended_by_length(surface, ear)
    said = frames(ear.data)
    final = said[-1]["response"]
    assert (ear.ending, said[-1]["type"], final["status"]) == ("end", "response.incomplete", "incomplete")
    assert final["incomplete_details"] == {"reason": "max_output_tokens"}
    numbers = [one["sequence_number"] for one in said]
    assert numbers == sorted(set(numbers))
    return dict(final["usage"])


@pytest.mark.parametrize(
    ("surface", "model", "provider"),
    [
        *(("responses", model, "") for model in SPEAKERS),
        *((surface, "gpt-5-mini", "openai_responses") for surface in ("responses", "openai", "anthropic")),
    ],
)
async def test_an_answer_ends_at_its_limit_where_the_credits_do(
    tmp_path: Path, surface: str, model: str, provider: str
) -> None:
    toml, environ, words = "", KEYS, SPEAKERS[model]
    if provider:
        environ = {"OPENAI_RESPONSES_API_KEY": "k", "OPENAI_RESPONSES_BASE_URL": "https://newer.example/v1"}
        toml, words = RESPONSES, responses_words
    async with open_stage(tmp_path, toml, environ, credits=1.0) as stage:
        speaker = Played(words(3000), lingers=True)
        path, question = asked(surface, model)
        ear = await stage.ask(path, question, speaker)
        usage = ended(surface, ear)
        receipt = await stage.receipt(ear.call)
        assert (receipt.stop, receipt.reason) == (STOP, Reason.COMPLETED)
        assert provider in ("", receipt.attempts[0].provider)
        assert receipt.usage is not None and receipt.usage.output_total in usage.values()
        assert 0 < receipt.charge_nano_usd <= 1_000_000
        assert speaker.closed and speaker.stopped.is_set()
        await stage.quiet()
