"""Vectors go the way of words: the same channels, failover, holds and receipts (serving.md 13.2, 21)."""

import asyncio
import base64
import json
import struct
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import JSON, Ear, Line, Played, Stage, chat_body, open_stage, refused
from tollway.core.model import EMBEDDING
from tollway.core.receipt import Reason
from tollway.core.usage import UsageSource
from tollway.gateway.routing.complexity import ANYTHING
from tollway.kit.http1.wire import UpstreamError

SMALL, GOOGLES = "text-embedding-3-small", "gemini-embedding-001"
PATH = "/v1/embeddings"
ONE_TOKEN = 28
"""Nano-dollars that a token of SMALL costs: 0.02 US dollars a million and the margin of 1.4."""
DEAR_TOKEN = 210
"""The same of GOOGLES at 0.15."""
VECTOR = [0.5, -1.0, 0.25]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


def answered(count: int = 1, usage: Any = 7, vector: Any = None) -> Played:
    """OpenAI's answer for `count` inputs; no usage where it is None."""
    rows = [{"object": "embedding", "index": at, "embedding": vector or VECTOR} for at in range(count)]
    body: dict[str, Any] = {"object": "list", "data": rows, "model": "up"}
    if usage is not None:
        body["usage"] = usage if isinstance(usage, dict) else {"prompt_tokens": usage, "total_tokens": usage}
    return Played([json.dumps(body).encode()], headers=JSON)


def by_google(count: int = 1, tokens: int | None = None) -> Played:
    body: dict[str, Any] = {"embeddings": [{"values": VECTOR} for _ in range(count)]}
    if tokens is not None:
        body["usageMetadata"] = {"promptTokenCount": tokens}
    return Played([json.dumps(body).encode()], headers=JSON)


async def embed(stage: Stage, *lines: Line, model: str = SMALL, given: Any = "some words", **more: Any) -> Ear:
    return await stage.ask(PATH, {"model": model, "input": given, **more}, *lines)


def sent(stage: Stage, at: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(stage.outside.asked[at].body)
    return body


def three(folder: Path, more: str = "") -> AbstractAsyncContextManager[Stage]:
    """A stage with three channels to OpenAI, the first the most wanted."""
    row = '[[channels]]\nid = "{0}"\nprovider = "openai"\nkey = "k-{0}"\npriority = {1}\n'
    return open_stage(folder, more + "".join(row.format(name, -at) for at, name in enumerate("abc")), {})


# ------------------------------------------------------------------ the same router


async def test_serving_21_embeddings_fall_over_from_channel_to_channel_like_conversations(tmp_path: Path) -> None:
    async with three(tmp_path) as stage:
        ear = await embed(stage, refused(500), UpstreamError("connect", "refused"), answered())
        assert (ear.status, ear.json["data"][0]["embedding"]) == (200, VECTOR)
        receipt = await stage.receipt(ear.call)
        assert [(one.channel, one.status) for one in receipt.attempts] == [("a", 500), ("b", 0), ("c", 200)]
        assert receipt.charge_nano_usd == 7 * ONE_TOKEN
        await stage.quiet()


async def test_serving_21_embeddings_are_spread_in_turn_and_not_sent_to_the_first_route_only(tmp_path: Path) -> None:
    row = '[[channels]]\nid = "{0}"\nprovider = "openai"\nkey = "k-{0}"\n'
    rules = '[routing]\nstrategy = "round_robin"\n'
    async with open_stage(tmp_path, rules + "".join(row.format(name) for name in "abc"), {}) as stage:
        for _ in range(6):
            assert (await embed(stage, answered())).status == 200
        keys = [dict(one.headers)[b"authorization"] for one in stage.outside.asked]
        assert len(set(keys[:3])) == 3
        assert keys[:3] == keys[3:]


async def test_a_failing_channel_rests_for_vectors_and_is_probed_with_vectors(tmp_path: Path) -> None:
    async with three(tmp_path, "[health]\nfailure_threshold = 2\n") as stage:
        for _ in range(2):
            assert (await embed(stage, refused(500), answered())).status == 200
        await embed(stage, answered())  # `a` rests now: one attempt is enough
        keys = [dict(one.headers)[b"authorization"] for one in stage.outside.asked]
        assert keys == [b"Bearer k-a", b"Bearer k-b", b"Bearer k-a", b"Bearer k-b", b"Bearer k-b"]


async def test_no_other_model_answers_for_one_that_makes_vectors(tmp_path: Path) -> None:
    async with three(tmp_path) as stage:
        ear = await embed(stage, refused(500), refused(503), refused(502))
        assert (ear.status, len(stage.outside.asked)) == (502, 3)
        assert (await stage.receipt(ear.call)).charge_nano_usd == 0
        await stage.quiet()


# ------------------------------------------------------------------ what goes on, and what comes back


async def test_openais_own_bytes_pass_through_but_for_the_name_of_the_model(tmp_path: Path) -> None:
    async with open_stage(tmp_path, '[[models]]\nid = "text-embedding-3-small"\naliases = ["small"]\n') as stage:
        body = b'{"model":"small","input":["one",  "tw\\u00f6"],"dimensions":3,"user":"ann","later":{"a":1.50}}'
        told = answered(2)
        theirs = told._pieces[0]
        ear = await stage.ask(PATH, body, told)
        assert stage.outside.asked[0].body == body.replace(b"small", b"text-embedding-3-small")
        assert stage.outside.asked[0].target == b"/v1/embeddings"
        assert ear.data == theirs


async def test_vectors_of_googles_are_told_in_openais_words(stage: Stage) -> None:
    ear = await embed(stage, by_google(2, 9), model=GOOGLES, given=["one", "two"], dimensions=3, user="ann")
    assert stage.outside.asked[0].target == b"/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert sent(stage) == {
        "requests": [
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 3,
            }
            for text in ("one", "two")
        ]
    }
    assert ear.json == {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": VECTOR} for at in range(2)],
        "model": GOOGLES,
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
    assert ear.headers["x-tollway-dropped"] == "user"
    assert (await stage.receipt(ear.call)).charge_nano_usd == 9 * DEAR_TOKEN


async def test_google_clients_are_answered_by_openai_in_googles_words(stage: Stage) -> None:
    rows = [
        {"model": f"models/{SMALL}", "content": {"parts": [{"text": text}]}, "output_dimensionality": 3}
        for text in ("one", "two")
    ]
    ear = await stage.ask(f"/v1beta/models/{SMALL}:batchEmbedContents", {"requests": rows}, answered(2))
    assert sent(stage) == {"model": SMALL, "input": ["one", "two"], "encoding_format": "float", "dimensions": 3}
    assert ear.json == {"embeddings": [{"values": VECTOR}] * 2, "usageMetadata": {"promptTokenCount": 7}}

    single = {"content": {"parts": [{"text": "one"}, {"text": "two"}]}, "taskType": "RETRIEVAL_QUERY"}
    ear = await stage.ask(f"/v1beta/models/{SMALL}:embedContent", single, answered())
    assert sent(stage)["input"] == ["one\ntwo"]
    assert ear.json == {"embedding": {"values": VECTOR}, "usageMetadata": {"promptTokenCount": 7}}
    assert ear.headers["x-tollway-dropped"] == "taskType"


async def test_googles_own_batch_passes_through_and_a_single_content_is_a_batch_of_one(stage: Stage) -> None:
    rows = [{"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING", "later": 1}, {"content": {"parts": []}}]
    told = by_google(2)
    theirs = told._pieces[0]
    ear = await stage.ask(f"/v1/models/{GOOGLES}:batchEmbedContents", {"requests": rows}, told)
    assert ear.data == theirs
    assert sent(stage)["requests"] == [{**row, "model": f"models/{GOOGLES}"} for row in rows]

    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    single = {"content": {"parts": [{"text": "a"}, picture]}, "taskType": "CLUSTERING", "title": "b"}
    ear = await stage.ask(f"/v1/engines/{GOOGLES}/embeddings", single, by_google())
    assert sent(stage)["requests"] == [{**single, "model": f"models/{GOOGLES}"}]
    assert ear.json["embedding"] == {"values": VECTOR}


async def test_base64_is_given_to_whoever_asked_for_it_whatever_the_provider_speaks(stage: Stage) -> None:
    ears = [
        await embed(stage, answered(2), given=["a", "b"], encoding_format="base64"),  # it passes over what was asked
        await embed(stage, by_google(2), model=GOOGLES, given=["a", "b"], encoding_format="base64"),
        await embed(stage, answered(2, vector=PACKED), given=["a", "b"], encoding_format="base64"),
    ]
    for ear in ears:
        assert [row["embedding"] for row in ear.json["data"]] == [PACKED, PACKED]
    ear = await embed(stage, answered(1, vector=PACKED), encoding_format="float")
    assert ear.json["data"][0]["embedding"] == VECTOR


async def test_tokens_go_on_to_the_model_whose_they_are_and_nowhere_else(stage: Stage) -> None:
    for given in ([1, 2, 3], [[1, 2], [3]]):
        ear = await embed(stage, answered(1 if given[0] == 1 else 2), given=given)
        assert (ear.status, sent(stage)["input"]) == (200, given)
    ear = await embed(stage, model=GOOGLES, given=[[1, 2], [3]])
    assert (ear.status, ear.json["error"]["param"]) == (400, "input[0]")


@pytest.mark.parametrize(
    "told",
    [
        b'{"embeddings":[{"values":[1]}]}',  # one for two
        b'{"embeddings":[{"values":"text"},{"values":[1]}]}',
        b'{"embeddings":[{"values":["a"]},{"values":[1]}]}',
        b'{"embeddings":[{"values":[]},{"values":[1]}]}',
        b'{"nothing":1}',
        b"",
    ],
)
async def test_an_answer_that_is_none_costs_nothing_and_is_told_as_the_providers_fault(
    stage: Stage, told: bytes
) -> None:
    line = Played([told], headers=JSON)
    ear = await embed(stage, line, model=GOOGLES, given=["one", "two"], encoding_format="base64")
    assert (ear.status, ear.json["error"]["code"]) == (502, "all_providers_failed")
    receipt = await stage.receipt(ear.call)
    assert (receipt.reason, receipt.charge_nano_usd) == (Reason.FAILED, 0)
    await stage.quiet()


# ------------------------------------------------------------------ money


@pytest.mark.parametrize("usage", [None, {}, 0, {"prompt_tokens": None}, {"prompt_tokens": -5}, "many", 1 << 40])
async def test_a_count_that_is_missing_or_none_is_replaced_by_our_own(stage: Stage, usage: Any) -> None:
    ear = await embed(stage, answered(2, usage), given=["one two three", "four"])
    receipt = await stage.receipt(ear.call)
    assert receipt.usage is not None
    assert receipt.usage.source is UsageSource.ESTIMATE
    assert 4 <= receipt.usage.input_total <= 8
    assert (receipt.usage.output_total, receipt.charge_nano_usd) == (0, receipt.usage.input_total * ONE_TOKEN)
    await stage.quiet()


async def test_google_tells_no_count_and_the_caller_hears_the_one_he_pays_for(stage: Stage) -> None:
    ear = await embed(stage, by_google(), model=GOOGLES)
    receipt = await stage.receipt(ear.call)
    assert receipt.usage is not None
    assert ear.json["usage"]["prompt_tokens"] == receipt.usage.input_total > 0
    assert receipt.charge_nano_usd == receipt.usage.input_total * DEAR_TOKEN


async def test_a_provider_that_counts_too_much_is_not_believed_beyond_the_hold(stage: Stage) -> None:
    ear = await embed(stage, answered(1, 1_000_000))
    receipt = await stage.receipt(ear.call)
    assert receipt.charge_nano_usd <= receipt.hold_nano_usd
    assert receipt.overrun_nano_usd == 1_000_000 * ONE_TOKEN - receipt.charge_nano_usd


async def test_who_cannot_pay_the_input_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    async with open_stage(tmp_path, credits=0.000_100) as stage:  # three tokens
        ear = await embed(stage, given="many words, more than can be paid for")
        assert (ear.status, ear.json["error"]["code"]) == (429, "insufficient_quota")
        ear = await embed(stage, answered(1, 1), given="one")
        assert ear.status == 200
        assert len(stage.outside.asked) == 1
        await stage.quiet()


async def test_a_caller_who_leaves_before_his_vectors_pays_nothing(stage: Stage) -> None:
    sending = asyncio.Event()
    _, task = stage.begin(PATH, {"model": SMALL, "input": "x"}, sending)
    await sending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (receipt,) = await stage.last_receipts()
    assert (receipt.reason, receipt.charge_nano_usd) == (Reason.CLIENT_GONE, 0)
    await stage.quiet()


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [1, "a"]}, "input"),
        ({"input": [{"text": "a"}]}, "input[0]"),
        ({"input": 5}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "many"}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"user": 5}, "user"),
        ({"model": None}, "model"),
        ({"model": "auto"}, "model"),
        ({"model": "nobody"}, "model"),
        ({"model": "gpt-5-mini"}, "model"),
    ],
)
async def test_what_cannot_be_embedded_is_refused_by_name(stage: Stage, change: dict[str, Any], field: str) -> None:
    ear = await stage.ask(PATH, {"model": SMALL, "input": "a", **change})
    assert (ear.status // 100, ear.json["error"]["param"]) == (4, field)
    assert ear.json["error"]["type"] == "invalid_request_error"
    assert not stage.outside.asked


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("embedContent", {}, "content"),
        ("embedContent", {"content": {"parts": [{"text": ""}]}}, "content.parts"),
        ("embedContent", {"content": {"parts": [{"text": 5}]}}, "content.parts[0].text"),
        ("embedContent", {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 0}, "outputDimensionality"),
        ("embedContent", {"content": {"parts": [{"inlineData": {}}]}}, "content[0]"),
        ("batchEmbedContents", {}, "requests"),
        ("batchEmbedContents", {"requests": []}, "requests"),
        ("batchEmbedContents", {"requests": [5]}, "requests"),
        ("batchEmbedContents", {"requests": [{}]}, "requests[0].content"),
        (
            "batchEmbedContents",
            {"requests": [{"content": {"parts": [{"text": "a"}]}, "outputDimensionality": n} for n in (1, 2)]},
            "requests[1].outputDimensionality",
        ),
    ],
)
async def test_google_clients_hear_in_googles_words_what_is_wrong(
    stage: Stage, action: str, body: dict[str, Any], field: str
) -> None:
    ear = await stage.ask(f"/v1beta/models/{SMALL}:{action}", body)
    assert (ear.status, ear.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
    violations = [
        one["fieldViolations"][0]["field"] for one in ear.json["error"]["details"] if "fieldViolations" in one
    ]
    assert violations == [field]
    assert not stage.outside.asked


async def test_a_conversation_with_a_model_that_makes_vectors_is_refused_in_each_dialect(stage: Stage) -> None:
    turn = {"role": "user", "content": "hi"}
    asked = {
        "/v1/chat/completions": chat_body(SMALL),
        "/v1/messages": {"model": SMALL, "max_tokens": 5, "messages": [turn]},
        "/v1/responses": {"model": SMALL, "input": "hi"},
        f"/v1beta/models/{SMALL}:generateContent": {"contents": [{"parts": [{"text": "hi"}]}]},
    }
    for path, body in asked.items():
        ear = await stage.ask(path, body)
        assert ear.status == 400, path
        assert "POST /v1/embeddings" in ear.data.decode()
    assert not stage.outside.asked


async def test_the_auto_router_never_chooses_a_model_that_makes_vectors(stage: Stage) -> None:
    suits = {model.id for model in stage.hub.catalog if ANYTHING.suits(model)}
    assert "gpt-5-mini" in suits
    assert not suits & {model.id for model in stage.hub.catalog if model.type == EMBEDDING}


async def test_more_texts_than_google_takes_at_once_are_refused_and_said_so(stage: Stage) -> None:
    ear = await embed(stage, model=GOOGLES, given=["a"] * 101)
    assert (ear.status, ear.json["error"]["param"]) == (400, "input")
    assert "100 at once" in ear.json["error"]["message"]


# ------------------------------------------------------------------ size


async def test_a_large_answer_passes_through_unread_so_that_it_holds_nobody_up(stage: Stage) -> None:
    head = b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,'
    tail = b'1]}],"model":"up","usage":{"prompt_tokens":4096,"total_tokens":4096}}'
    body = head + b"what no reader of JSON would take, " * 10_000 + tail
    ear = await embed(stage, Played([body], headers=JSON), given=["some words"] * 2048)
    assert (ear.status, ear.data) == (200, body)
    assert (await stage.receipt(ear.call)).charge_nano_usd == 4096 * ONE_TOKEN


async def test_a_large_answer_that_must_be_told_otherwise_is_turned_beside_the_loop(stage: Stage) -> None:
    wide = [at / 4096 for at in range(4096)]
    body = json.dumps({"embeddings": [{"values": wide}] * 20}).encode()
    ear = await embed(stage, Played([body], headers=JSON), model=GOOGLES, given=["a"] * 20, encoding_format="base64")
    packed = base64.b64encode(struct.pack("<4096f", *wide)).decode()
    assert [row["embedding"] for row in ear.json["data"]] == [packed] * 20


async def test_what_a_channel_changes_in_conversations_leaves_vectors_alone(tmp_path: Path) -> None:
    row = '[[channels]]\nid = "a"\nprovider = "openai"\nkey = "k"\nsystem_prompt = "Be kind."\nforce_format = true\n'
    row += 'thinking_to_content = true\n[channels.param_override]\nuser = "all"\n'
    async with open_stage(tmp_path, row, {}) as stage:
        for form, vector in (("float", VECTOR), ("base64", PACKED)):
            ear = await embed(stage, answered(1, vector=vector), encoding_format=form)
            assert sent(stage) == {"model": SMALL, "input": "some words", "encoding_format": form, "user": "all"}
            assert ear.json["data"][0]["embedding"] == vector
            assert ear.json["usage"]["prompt_tokens"] == 7
        await stage.quiet()
