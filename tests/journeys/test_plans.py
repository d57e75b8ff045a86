"""What a plan lets its user do, over real HTTP: models, requests a minute, and which credit is spent first."""

from collections.abc import Callable, Iterator

import pytest

from tests.journeys.callers import CALLERS, Caller
from tests.journeys.hub import Hub, NewDatabase, Providers
from tests.journeys.stage import Stage, staged


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("plans"), new_database(), "") as stage:
        yield stage


def newcomer(hub: Hub, name: str, *words: str) -> tuple[str, str]:
    """A new user: (user id, API key)."""
    made = hub.tollway("users", "create", f"{name}@plans.example", *words)
    return made["user_id"], made["api_key"]


def chat(hub: Hub, key: str, model: str = "echo", words: str = "one two three") -> tuple[int, dict[str, str], object]:
    body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": words}]}
    return hub.ask("/v1/chat/completions", body, key)


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_free_user_is_told_in_his_own_dialect_that_his_plan_has_fast_models_only(
    opened: Stage, caller: Caller
) -> None:
    _, key = newcomer(opened.hub, f"free-{caller.name}", "--plan", "free")
    assert caller.ask(opened.hub, key, model="gpt-5-mini").status == 200
    before = opened.asked()
    refused = caller.ask(opened.hub, key, model="gpt-5.2")
    assert refused.status == 403
    told = caller.error(refused)
    assert told
    assert "'free'" in told["message"]
    assert "gpt-5.2" in told["message"]
    assert opened.asked() == before, "no provider heard of it"


def test_all_keys_of_a_free_user_share_ten_requests_a_minute(opened: Stage) -> None:
    hub = opened.hub
    user, first = newcomer(hub, "ten", "--plan", "free")
    keys = [first, hub.tollway("keys", "create", user)["api_key"]]
    for turn in range(10):
        status, headers, _ = chat(hub, keys[turn % 2])
        assert (status, headers["x-ratelimit-limit-requests"]) == (200, "10")
        assert headers["x-ratelimit-remaining-requests"] == str(9 - turn)
    for key in keys:
        status, headers, told = hub.ask(
            "/chat", {"messages": [{"role": "user", "content": "hi"}], "model": "echo"}, key
        )
        assert status == 429
        assert isinstance(told, dict)
        assert (told["detail"]["code"], told["detail"]["plan"]) == ("RATE_LIMITED", "free")
        assert 0 < told["detail"]["retry_after"] <= 60
        assert 1 <= int(headers["retry-after"]) <= 60
    assert hub.tollway("users", "set", user, "--plan", "guru")["plan"] == "guru"
    assert [chat(hub, key)[0] for key in keys] == [200, 200], "the very next call has the new plan"


def test_plan_credit_is_spent_before_the_bonus_and_the_top_up(opened: Stage) -> None:
    hub = opened.hub
    user, key = newcomer(hub, "order", "--plan", "free")
    hub.tollway("users", "credit", user, "100", "--reason", "paid", "--kind", "topup")
    sources = hub.tollway("users", "show", user)["balance"]["by_source"]
    assert sources == {"plan": 500.0, "promo": 500.0, "topup": 100.0}
    status, headers, _ = chat(hub, key, words="word " * 400)
    assert status == 200
    charge = hub.receipt(headers["x-request-id"], key)["charge"]["nano_usd"]
    assert charge > 0
    sources = hub.tollway("users", "show", user)["balance"]["by_source"]
    assert sources["plan"] == pytest.approx(500.0 - charge / 1e6)
    assert (sources["promo"], sources["topup"]) == (500.0, 100.0)

    refund = hub.tollway("ledger", "refund", headers["x-request-id"], "--reason", "wrong answer")
    assert refund["refunded_nano_usd"] == charge
    assert hub.tollway("users", "show", user)["balance"]["by_source"]["plan"] == 500.0
    assert hub.tollway("ledger", "refund", headers["x-request-id"], "--reason", "again")["refunded_nano_usd"] == 0


def test_a_call_over_the_plans_rest_is_paid_from_the_next_pots_and_a_refund_finds_its_way_back(
    start: Callable[..., Hub],
) -> None:
    hub = start(toml="[plans]\nsign_up_credits = 2\n[plans.free]\nmonthly_credits = 1\n")
    user, key = newcomer(hub, "split", "--plan", "free", "--credits", "0")
    hub.tollway("users", "credit", user, "1000", "--reason", "paid", "--kind", "topup")
    status, headers, _ = chat(hub, key, words="word " * 9_000)
    assert status == 200
    charge = hub.receipt(headers["x-request-id"], key)["charge"]["nano_usd"]
    assert charge > 3_000_000, "dearer than plan and bonus together"
    sources = hub.tollway("users", "show", user)["balance"]["by_source"]
    assert (sources["plan"], sources["promo"]) == (0.0, 0.0)
    assert sources["topup"] == pytest.approx(1003.0 - charge / 1e6)
    part = (charge - 3_000_000 + 500_000) / 1e6  # all of the top-up's share, and half a credit of the bonus
    hub.tollway("ledger", "refund", headers["x-request-id"], "--credits", f"{part:.6f}", "--reason", "half wrong")
    sources = hub.tollway("users", "show", user)["balance"]["by_source"]
    assert (sources["plan"], sources["promo"], sources["topup"]) == (0.0, 0.5, 1000.0)
    assert hub.audit() == []


def test_a_fast_plan_has_no_fallback_beyond_its_models(vendors: Providers, start: Callable[..., Hub]) -> None:
    hub = start(vendors.environ, '[fallbacks]\necho = ["claude-opus"]\n')
    _, free = newcomer(hub, "fast", "--plan", "free")
    _, other = newcomer(hub, "all", "--plan", "guru")
    status, headers, _ = chat(hub, other, words="[[error:503]] hello")
    assert (status, hub.receipt(headers["x-request-id"], other)["model"]) == (200, "claude-opus")
    assert chat(hub, free, words="[[error:503]] hello")[0] in (502, 503)


def test_an_operators_mistake_in_a_plan_stops_the_start_with_file_line_and_field(start: Callable[..., Hub]) -> None:
    with pytest.raises(AssertionError, match=r"tollway\.toml:2: plans\.free\.models"):
        start(toml="[plans.free]\nmodels = 'some'\n")


def test_the_books_are_exact_after_all_of_it(opened: Stage) -> None:
    assert opened.hub.audit() == []
