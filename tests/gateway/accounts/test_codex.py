"""Accounts that speak Responses: always streamed upstream, whole for whoever asks for a whole answer."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.accounts.hall import PAID, Hall, open_hall, said
from tests.mocks import codex
from tests.mocks.accounts import Vendor
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.openai import app as openai_app
from tollway.core.errors import Fault, Remedy
from tollway.core.receipt import Reason
from tollway.gateway.accounts.account import State
from tollway.gateway.accounts.roster import Roster
from tollway.gateway.accounts.state_file import StateFile
from tollway.gateway.dialects.openai_responses.gather import Gatherer


def wire(request: MockRequest) -> MockAnswer:
    """The subscription's own wire; and OpenAI's, for the paid key."""
    return openai_app(request) if request.path.startswith("/v1/") else codex.app(request)


def vendor(*names: str) -> Vendor:
    return Vendor(*names, wire=wire, refuse=codex.error, paid=f"Bearer {PAID}")


def opened(folder: Path, *names: str, more: str = "", **told: Any) -> Any:
    return open_hall(folder, vendor=vendor(*names), provider="codex_subscription", more=more, **told)


async def ask(hall: Hall, text: str = "hello", stream: bool = False, more: Any = None, **headers: str) -> Any:
    body = {"model": "gpt-5.2", "stream": stream, "messages": [{"role": "user", "content": text}], **(more or {})}
    return await hall.stage.ask("/v1/chat/completions", body, **headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstream_always_streams_and_the_caller_gets_what_he_asked_for(tmp_path: Path, stream: bool) -> None:
    async with opened(tmp_path, "ann") as hall:
        ear = await ask(hall, stream=stream)
        assert ear.status == 200, ear.data
        (asked,) = hall.calls()
        assert asked.path == codex.PATH
        assert asked.json["stream"] is True
        assert asked.json["store"] is False
        if stream:
            assert ear.data.endswith(b"data: [DONE]\n\n")
            assert b'"hello"' in ear.data
        else:
            assert said(ear) == "You said: hello"
            assert ear.json["usage"]["prompt_tokens"] == 7
        receipt = await hall.receipt(ear)
        assert receipt.reason is Reason.COMPLETED
        assert receipt.usage is not None
        assert (receipt.usage.input_total, receipt.usage.output_total) == (7, 3)
        await hall.stage.quiet()


async def test_callers_who_speak_the_dialect_themselves_get_whole_answers_and_streams_too(tmp_path: Path) -> None:
    async with opened(tmp_path, "ann") as hall:
        body = {"model": "gpt-5.2", "input": "hello", "prompt_cache_key": "mine"}
        whole = await hall.stage.ask("/v1/responses", body)
        assert whole.status == 200, whole.data
        assert whole.json["object"] == "response"
        assert whole.json["output"][0]["content"][0]["text"] == "You said: hello"
        stream = await hall.stage.ask("/v1/responses", body | {"stream": True})
        assert b"response.output_text.delta" in stream.data
        assert b"response.completed" in stream.data
        for asked in hall.calls():
            assert asked.json["stream"] is True
            assert asked.json["prompt_cache_key"] == asked.headers["session_id"] == "mine"
        await hall.stage.quiet()


async def test_the_account_is_named_and_nobody_is_imitated(tmp_path: Path) -> None:
    async with opened(tmp_path, "ann", kept={"account_id": "acc-1"}) as hall:
        await ask(hall, user_agent="codex_cli/1", originator="codex_cli", x_session_id="talk")
        (asked,) = hall.calls()
        assert asked.headers["chatgpt-account-id"] == "acc-1"
        assert asked.headers["session_id"] == asked.json["prompt_cache_key"] == "talk"
        assert set(asked.headers) == {
            "host", "content-type", "content-length", "accept-encoding", "authorization", "chatgpt-account-id",
            "session_id",
        }  # fmt: skip
        assert "instructions" not in asked.json


async def test_an_account_without_a_name_is_not_named_and_calls_without_a_session_share_one(tmp_path: Path) -> None:
    async with opened(tmp_path, "ann") as hall:
        await ask(hall)
        await ask(hall)
        one, other = hall.calls()
        assert "chatgpt-account-id" not in one.headers
        assert one.headers["session_id"] == other.headers["session_id"] == one.json["prompt_cache_key"]
        assert len(one.headers["session_id"]) == 36


async def test_defect_8_a_refresh_that_fails_leaves_the_other_accounts_and_then_the_paid_key(tmp_path: Path) -> None:
    """Typed faults: the failure is reported, the next account is tried, the paid key comes last."""
    async with opened(tmp_path, "ann", "bob", paid=True, kept={"expires_at": 1_000}) as hall:
        hall.vendor.refuses.append(MockAnswer.of_json({}, 503))
        assert said(await ask(hall)) == "You said: hello"
        await hall.written()
        assert hall.in_file("ann").consecutive_failures == 1
        assert hall.who() == ["at-bob-1"]
        hall.vendor["bob"].says.append(codex.error(429, "limit"))
        hall.vendor["ann"].ends = True
        ear = await ask(hall)
        assert said(ear) == "You said: hello"
        assert hall.in_file("ann").state is State.REVOKED
        paid = hall.calls()[-1]
        assert (paid.path, paid.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {PAID}")
        assert not {"session_id", "chatgpt-account-id"} & set(paid.headers)
        assert paid.json.get("stream") is not True
        (*_, last) = (await hall.receipt(ear)).attempts
        assert (last.provider, last.fallback, last.model) == ("openai", True, "gpt-5.2")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_401_is_a_forced_refresh_and_one_retry(tmp_path: Path, stream: bool) -> None:
    async with opened(tmp_path, "ann") as hall:
        hall.vendor.forget_tokens("ann")
        assert b"hello" in (await ask(hall, stream=stream)).data
        assert hall.who() == ["at-ann-0", "at-ann-1"]


async def test_defect_12_the_reset_header_of_this_vendor_is_used(tmp_path: Path) -> None:
    async with opened(tmp_path, "ann") as hall:
        hall.vendor["ann"].says.append(
            codex.error(429, "limit", x_codex_primary_reset_after_seconds="900", x_codex_primary_used_percent="100")
        )
        ear = await ask(hall)
        assert ear.status == 503
        assert 890 <= int(ear.headers["retry-after"]) <= 900


async def test_defect_11_a_rest_is_in_the_file_for_the_operator_and_for_the_next_start(tmp_path: Path) -> None:
    """One truth: what the pool goes by is what the file says, also for accounts of this dialect."""
    async with opened(tmp_path, "ann", "bob") as hall:
        hall.vendor["ann"].says.append(codex.error(429, "limit", retry_after="900"))
        assert said(await ask(hall)) == "You said: hello"
        await hall.written()
        known = hall.in_file("ann")
        assert (known.state, known.consecutive_failures) == (State.COOLDOWN, 1)
        assert 890_000 < known.cooldown_until - time.time() * 1000 <= 900_000
        again = Roster(StateFile(hall.path), lambda: int(time.time() * 1000))
        await again.load()
        assert [one.id for one in again.pool() if not one.cooldown_until] == ["bob"]
        hall.path.write_text(hall.path.read_text().replace('"bob"', '"eve"').replace('"cooldown"', '"disabled"'))
        await hall.look()
        (pool,) = (lender.pool for lender in hall.stage.hub.lenders.values())
        assert [one.id for one in pool.roster.pool()] == ["eve"], "what the operator writes is what the pool goes by"


async def test_the_paid_key_costs_what_the_models_price_card_says(tmp_path: Path) -> None:
    """Other gateways have a price of 2.50 and 10.00 in their code."""
    card = '[[models]]\nid = "gpt-5.2"\nprice = { input = 1000, output = 3000 }\n'
    async with opened(tmp_path, "ann", paid=True, kept={"state": "disabled"}, more=card) as hall:
        receipt = await hall.receipt(await ask(hall))
        assert [one.fallback for one in receipt.attempts] == [True] and receipt.usage is not None
        dollars_per_million = receipt.usage.input_total * 1000 + receipt.usage.output_total * 3000
        assert receipt.provider_cost_nano_usd == dollars_per_million * 1000


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_that_the_stream_tells_before_its_first_word_is_the_accounts(
    tmp_path: Path, stream: bool
) -> None:
    event = {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "sequence_number": 0}
    async with opened(tmp_path, "ann", "bob") as hall:
        hall.vendor["ann"].says.append(MockAnswer.of_stream([f"data: {json.dumps(event)}\n\n".encode()]))
        assert b"hello" in (await ask(hall, stream=stream)).data
        assert hall.who() == ["at-ann-0", "at-bob-0"]
        await hall.written()
        assert hall.in_file("ann").state is State.COOLDOWN


async def test_a_stream_without_its_end_is_no_whole_answer(tmp_path: Path) -> None:
    async with opened(tmp_path, "ann") as hall:
        cut = [f"data: {json.dumps(event)}\n\n".encode() for event in codex.events({"model": "m"}, "a b")[:-1]]
        hall.vendor["ann"].says.append(MockAnswer.of_stream(cut))
        ear = await ask(hall)
        assert ear.status == 502
        assert (await hall.receipt(ear)).charge_nano_usd == 0


# -- from a stream to a whole ------------------------------------------------------------------------------------


def frames(events: list[dict[str, Any]]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("bare_end", [False, True])
def test_the_last_event_is_the_answer_however_the_bytes_are_cut(step: int, bare_end: bool) -> None:
    data = frames(codex.events({"model": "m"}, "one two", bare_end=bare_end))
    gatherer = Gatherer()
    done = [gatherer.feed(data[at : at + step]) for at in range(0, len(data), step)]
    assert done[-1]
    assert True not in done[:-1]
    answer = json.loads(gatherer.body())
    assert answer["status"] == "completed"
    assert answer["output"][0]["content"][0]["text"] == "one two"


def test_an_answer_that_is_no_stream_is_taken_as_it_is() -> None:
    gatherer = Gatherer()
    assert not gatherer.feed(b'  {"object":')
    assert not gatherer.feed(b' "response"}')
    assert json.loads(gatherer.body()) == {"object": "response"}


def test_rubbish_and_a_stream_without_an_end_are_no_answer() -> None:
    with pytest.raises(ValueError, match="not an event"):
        Gatherer().feed(b"data: {]\n\n")
    gatherer = Gatherer()
    gatherer.feed(frames(codex.events({"model": "m"}, "one")[:3]))
    with pytest.raises(ValueError, match="without its answer"):
        gatherer.body()


def test_an_error_in_the_stream_is_a_fault_with_its_remedy() -> None:
    event = {"type": "error", "code": "server_error", "message": "overloaded"}
    with pytest.raises(Fault) as fault:
        Gatherer().feed(frames([event]))
    assert (fault.value.remedy, fault.value.message) == (Remedy.NEXT_CHANNEL, "overloaded")
