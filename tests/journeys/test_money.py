"""The books under a crowd, under kill -9, and under accounts that are nearly empty: exact to the nano-dollar."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.journeys.breaking import chat_answer
from tests.journeys.callers import CALLERS, GEMINI, OPENAI, Caller, Heard, newcomer
from tests.journeys.crowd import Books, ask, left, until
from tests.journeys.hub import Hub, Providers, providers
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.server import MockServer

CROWD, PAID = 200, 50
LIMIT = 200
NANO = 1_000_000
DEAREST_OUT = {"openai": 5.0, "gemini": 3.0}
"""US dollars per million output tokens, over each caller's whole plan."""
INSUFFICIENT = {"openai": ("code", "insufficient_quota"), "anthropic": ("type", "rate_limit_error"),
                "gemini": ("status", "RESOURCE_EXHAUSTED")}  # fmt: skip


@pytest.fixture(scope="module")
def opened() -> Iterator[Providers]:
    with providers() as running:
        yield running


@pytest.fixture
def vendors(opened: Providers) -> Iterator[Providers]:
    """The vendors; afterwards nothing waits."""
    yield opened
    opened.mend()


def hold_of(hub: Hub, caller: Caller, text: str) -> int:
    """Nano-dollars that one such call holds."""
    _, key = newcomer(hub, 30)
    heard = caller.ask(hub, key, text, limit=LIMIT)
    hold = int(hub.receipt(heard.id, key)["hold"]["nano_usd"])
    assert f"{hold / NANO:.6f}" == heard.headers["x-tollway-hold"]
    return hold


async def crowd(hub: Hub, caller: Caller, key: str, text: str, mock: MockServer) -> list[Heard]:
    """All at once; the answers come only when everybody else has been refused."""
    mock.hold()
    body = caller.body(text, False, LIMIT)
    refused = 0

    async def one() -> Heard:
        nonlocal refused
        heard = await ask(hub, caller, key, body)
        assert heard is not None
        refused += heard.status != 200
        return heard

    before = len(mock.requests)
    calls = asyncio.gather(*(one() for _ in range(CROWD)))
    await until(lambda: refused == CROWD - PAID and len(mock.requests) == before + PAID)
    mock.release()
    return await calls


def fifty_answers(hub: Hub, caller: Caller, user: str, heard: list[Heard]) -> Books:
    """Check that the paid answers came, and that everybody else was refused cleanly and for nothing."""
    answered = [one for one in heard if one.status == 200]
    refused = [one for one in heard if one.status != 200]
    assert (len(answered), len(refused)) == (PAID, CROWD - PAID)
    assert {one.status for one in refused} == {429}
    field, word = INSUFFICIENT[caller.name]
    for one in refused:
        told = caller.error(one)
        assert told is not None
        assert told[field] == word
        assert "insufficient credits" in told["message"]
        assert "x-tollway-cost" not in one.headers
        assert one.headers["x-should-retry"] == "false"
    assert hub.audit() == []
    books = Books(hub, user)
    assert set(books.charges) == {one.id for one in answered}
    assert all(charge > 0 for charge in books.charges.values())
    return books


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
async def test_of_200_parallel_calls_on_credit_for_50_just_50_are_answered(
    start: Callable[..., Hub], vendors: Providers, caller: Caller
) -> None:
    hub, text = start(vendors.environ), "tell me something"
    hold = hold_of(hub, caller, text)
    user, key = newcomer(hub, PAID * hold / NANO)
    heard = await crowd(hub, caller, key, text, getattr(vendors, caller.name))
    books = fifty_answers(hub, caller, user, heard)
    assert left(hub, key) == PAID * hold - books.charged
    assert left(hub, key) > 0


async def test_answers_that_cost_just_their_hold_leave_nothing_and_no_debt(start: Callable[..., Hub]) -> None:
    with MockServer(lambda request: chat_answer("much", 10**7, LIMIT)) as mock:
        hub, text = start({"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{mock.url}/v1"}), "tell me something"
        hold = hold_of(hub, OPENAI, text)
        user, key = newcomer(hub, PAID * hold / NANO)
        heard = await crowd(hub, OPENAI, key, text, mock)
        books = fifty_answers(hub, OPENAI, user, heard)
        assert set(books.charges.values()) == {hold}
        assert left(hub, key) == 0
        after = OPENAI.ask(hub, key, text, limit=LIMIT)
        assert after.status == 429
        assert after.json["error"]["code"] == "insufficient_quota"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_a_killed_gateway_comes_back_with_exact_books(
    start: Callable[..., Hub], vendors: Providers, seed: int
) -> None:
    """Killed at a moment that the seed chooses, with whole answers and streams in flight."""
    chance = random.Random(seed)
    hub = start(vendors.environ)
    hold = hold_of(hub, OPENAI, "[[slow:300]] one two three")
    credit = PAID * hold
    user, key = newcomer(hub, credit / NANO)
    asked_before = len(vendors.openai.requests)
    kill_after, answered = chance.randrange(1, 40), asyncio.Event()
    heard: list[Heard] = []

    async def one(number: int) -> None:
        stream = chance.random() < 0.3
        text = f"[[slow:{chance.randrange(5, 60) if stream else chance.randrange(10, 500)}]] one two three"
        said = await ask(hub, OPENAI, key, OPENAI.body(text, stream, LIMIT), stream)
        if said is not None and not said.is_cut:
            heard.append(said)
        if len([each for each in heard if each.status == 200]) >= kill_after:
            answered.set()

    calls = asyncio.gather(*(one(number) for number in range(CROWD)))
    await asyncio.wait_for(answered.wait(), 30)
    assert hub.process is not None
    hub.process.kill()
    await calls
    hub.stop(signal.SIGKILL)
    hub.start()
    whole = [each for each in heard if each.status == 200]
    assert {each.status for each in heard} <= {200, 429}
    assert left(hub, key) == credit - Books(hub, user).charged
    assert hub.audit() == []
    books = Books(hub, user)
    assert books.count >= len(vendors.openai.requests) - asked_before
    assert set(books.by_reason) == {"completed", "expired"}  # some were in flight when it died
    for each in whole:
        assert books.reasons[each.id] == "completed"
        assert books.charges[each.id] > 0
    assert all(books.charges[call] == 0 for call, reason in books.reasons.items() if reason == "expired")
    refused = {each.id for each in heard if each.status == 429}
    assert not refused & set(books.reasons)
    receipt = hub.receipt(whole[0].id, key)
    assert receipt["charge"]["nano_usd"] == books.charges[whole[0].id]
    again = OPENAI.ask(hub, key, "hello there", limit=LIMIT)
    assert again.status == 200


def test_a_second_gateway_on_the_same_folder_refuses_clearly(start: Callable[..., Hub]) -> None:
    hub = start()
    second = subprocess.run(
        [sys.executable, "-m", "tollway", "serve"],
        env=hub._env(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode != 0
    said = second.stdout + second.stderr
    assert "another tollway serves from" in said
    assert "Traceback" not in said
    assert OPENAI.ask(hub, hub.keys["api_key"], "still here?", model="echo").status == 200
    assert hub.audit() == []


def test_credit_granted_while_the_gateway_runs_is_there_for_the_next_call(
    start: Callable[..., Hub], vendors: Providers
) -> None:
    hub = start(vendors.environ)
    user, key = newcomer(hub, 0)
    assert OPENAI.ask(hub, key).status == 429
    hub.tollway("users", "grant", user, "20", "--reason", "a present")
    assert OPENAI.ask(hub, key).status == 200
    hub.tollway("users", "grant", user, "5", "--reason", "once", "--reference", "r1")
    hub.tollway("users", "grant", user, "5", "--reason", "once", "--reference", "r1")
    assert left(hub, key) == 25 * NANO - Books(hub, user).charged
    assert hub.audit() == []


@pytest.mark.parametrize("caller", [OPENAI, GEMINI], ids=lambda one: one.name)
def test_without_a_limit_of_his_own_a_poor_caller_gets_what_his_credits_cover(
    start: Callable[..., Hub], vendors: Providers, caller: Caller
) -> None:
    hub = start(vendors.environ)
    _, key = newcomer(hub, 5)
    heard = caller.ask(hub, key, "tell me all", limit=None)
    assert heard.status == 200, heard.raw
    sent = getattr(vendors, caller.name).requests[-1].json
    limit = sent["generationConfig"]["maxOutputTokens"] if caller is GEMINI else sent["max_completion_tokens"]
    hold = hub.receipt(heard.id, key)["hold"]["nano_usd"]
    assert limit >= 256
    assert limit * DEAREST_OUT[caller.name] * 1.4 * 1000 <= hold <= 5 * NANO
    assert hub.audit() == []


def test_an_account_that_cannot_pay_for_its_question_and_one_token_is_refused_with_what_is_left_and_needed(
    start: Callable[..., Hub], vendors: Providers
) -> None:
    hub = start(vendors.environ)
    _, key = newcomer(hub, 0.001)
    before = len(vendors.openai.requests)
    heard = OPENAI.ask(hub, key, "tell me all", limit=None)
    assert heard.status == 429
    told = heard.json["error"]
    assert told["code"] == "insufficient_quota"
    assert "0.001 are left" in told["message"]
    assert len(vendors.openai.requests) == before
    assert left(hub, key) == NANO // 1000


def dear(request: MockRequest) -> MockAnswer:
    """An answer that claims to have cost more than it could."""
    return chat_answer("much", 10**7, 10**6)


def test_a_provider_that_counts_more_than_the_hold_is_absorbed_and_recorded(start: Callable[..., Hub]) -> None:
    with MockServer(dear) as mock:
        hub = start({"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{mock.url}/v1"})
        _, key = newcomer(hub, 100)
        heard = OPENAI.ask(hub, key)
        receipt = hub.receipt(heard.id, hub.keys["admin_key"])
        assert receipt["charge"] == receipt["hold"]
        assert receipt["overrun"]["nano_usd"] > 0
        assert "overrun" not in hub.receipt(heard.id, key)
        assert hub.audit() == []
