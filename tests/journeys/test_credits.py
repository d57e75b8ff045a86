"""A key with one credit that asks for 64,000 tokens: it gets its short answer, in every dialect and every way."""

from collections.abc import Callable

import pytest

from tests.journeys.callers import CALLERS, OPENAI, Caller, newcomer
from tests.journeys.crowd import Books, left
from tests.journeys.hub import Hub, Providers

CREDIT = 1_000_000
"""In nano-dollars."""
LIMIT = 64_000
ENDS = {"openai": "length", "anthropic": "max_tokens", "gemini": "MAX_TOKENS"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_one_credit_and_64000_tokens_in_every_pairing(hub: Hub, vendors: Providers, stream: bool) -> None:
    for caller in CALLERS:
        for vendor in CALLERS:
            user, key = newcomer(hub, 1)
            text = "[[long:2000]] tell me everything"
            heard = caller.ask(hub, key, text, stream=stream, limit=LIMIT, model=vendor.model)
            where = f"{caller.name} from {vendor.name}"
            assert heard.status == 200, (where, heard.raw)
            assert caller.is_whole(heard), where
            assert f'"{ENDS[caller.name]}"'.encode() in heard.raw, where
            assert len(caller.text(heard).split()) > 20, where
            receipt = hub.receipt(heard.id, key)
            assert receipt["x-tollway-stop"] == "credits_exhausted", where
            assert (heard.headers.get("x-tollway-stop") == "credits_exhausted") is not stream, where
            assert 0 < receipt["charge"]["nano_usd"] <= CREDIT, where
            assert left(hub, key) == CREDIT - Books(hub, user).charged >= 0, where


def test_nobody_is_refused_for_a_limit_he_will_not_use(hub: Hub) -> None:
    user, key = newcomer(hub, 2)
    for _ in range(5):
        heard = OPENAI.ask(hub, key, "hello there", stream=True, limit=LIMIT)
        assert OPENAI.is_whole(heard)
        assert hub.receipt(heard.id, key)["x-tollway-stop"] == ""
    assert left(hub, key) > 0  # whoever asks for his balance finds every call in the books
    assert Books(hub, user).by_reason == {"completed": 5}


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_with_sync_durability_an_answer_is_in_the_books_before_its_last_byte(
    start: Callable[..., Hub], vendors: Providers, caller: Caller
) -> None:
    hub = start(vendors.environ, '[ledger]\ndurability = "sync"\nflush_ms = 20\n')
    user, key = newcomer(hub, 100)
    for stream in (False, True):
        heard = caller.ask(hub, key, "one two three", stream=stream)
        assert caller.is_whole(heard)
        assert heard.id in Books(hub, user).charges
