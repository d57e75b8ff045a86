"""What users see of their own account: usage, receipts, statements; to the nano-dollar what the books say."""

import csv
import io
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.journeys.hub import Hub

Start = Callable[..., Hub]
OLDER = {"monthly_credits_total", "monthly_credits_remaining", "billing_cycle_start", "billing_cycle_end", "usage"}


def ask(hub: Hub, key: str, words: str = "one two three") -> Any:
    """The receipt of a small call to the echo model."""
    body = {"model": "echo", "messages": [{"role": "user", "content": words}]}
    status, headers, told = hub.ask("/v1/chat/completions", body, key)
    assert status == 200, told
    return hub.receipt(headers["x-request-id"], key)


def get(hub: Hub, path: str, key: str, body: Any = None) -> Any:
    status, _, told = hub.ask(path, body, key)
    assert status == 200, told
    return told


def spent(receipts: list[Any]) -> int:
    return sum(receipt["charge"]["nano_usd"] for receipt in receipts)


def test_usage_me_says_what_was_used_in_the_shapes_of_both_generations(start: Start) -> None:
    hub = start()
    _, key = hub.user(1000)
    receipts = [ask(hub, key) for _ in range(3)]
    told = get(hub, "/usage/me", key)
    credits = spent(receipts) / 1_000_000
    assert told["this_month"] == {"total_credits_used": credits, "total_requests": 3}
    assert told["by_model"] == [{"model": "echo", "credits_used": credits, "requests": 3}]
    assert told["plan_credits_remaining"] + told["topup_balance"] == (1_000_000_000 - spent(receipts)) / 1_000_000
    assert isinstance(told["plan"], str)
    assert isinstance(told["plan_allocation"], int)
    assert told.keys() >= OLDER
    assert told["usage"] == told["this_month"] | {"breakdown_by_model": told["by_model"]}
    assert told["billing_cycle_start"] < told["billing_cycle_end"]


def test_usage_me_is_kept_for_a_minute_and_refresh_counts_anew(start: Start) -> None:
    hub = start()
    _, key = hub.user(1000)
    before = get(hub, "/usage/me", key)
    receipt = ask(hub, key)
    assert get(hub, "/usage/me", key) == before
    fresh = get(hub, "/billing/refresh", key, {})
    assert fresh["recomputed"] == {"exact": True, "differences": []}
    assert fresh["this_month"] == {"total_credits_used": receipt["charge"]["credits"], "total_requests": 1}
    del fresh["recomputed"]
    assert get(hub, "/usage/me", key) == fresh


def test_receipts_are_listed_newest_first_page_by_page_for_their_payer_alone(start: Start) -> None:
    hub = start()
    (ada, key), (_, other) = hub.user(1000), hub.user(1000)
    made = [ask(hub, key)["request_id"] for _ in range(5)]
    first = get(hub, "/v1/receipts?limit=2", key)
    assert [row["request_id"] for row in first["receipts"]] == made[:2:-1]
    second = get(hub, f"/v1/receipts?limit=2&before={first['next']}", key)
    assert [row["request_id"] for row in second["receipts"]] == made[2:0:-1]
    last = get(hub, f"/v1/receipts?limit=2&before={second['next']}", key)
    assert ([row["request_id"] for row in last["receipts"]], last["next"]) == (made[:1], None)
    assert get(hub, "/v1/receipts", other) == {"receipts": [], "next": None}
    assert hub.ask(f"/v1/receipts?before={made[0]}", key=other)[0] == 400
    assert hub.ask(f"/v1/receipts?user={ada}", key=other)[0] == 403
    whole = get(hub, f"/v1/receipts?user={ada}", hub.keys["admin_key"])
    assert [row["request_id"] for row in whole["receipts"]] == made[::-1]
    assert [row["request_id"] for row in hub.tollway("receipts", "list", ada)] == made[::-1]


def test_a_statement_ends_where_the_books_are(start: Start) -> None:
    hub = start()
    user, key = hub.user(1000)
    admin = hub.keys["admin_key"]
    note = {"kind": "topup", "reason": '=HYPERLINK("http://evil")', "author": "@ann"}
    get(hub, f"/admin/users/{user}/grant", admin, {"credits": "0.5", **note})
    get(hub, f"/admin/users/{user}/grant", admin, {"credits": "-0.25", "kind": "topup", "reason": "taken back"})
    receipts = [ask(hub, key) for _ in range(4)]
    left = 1_000_250_000 - spent(receipts)
    told = get(hub, "/billing/statement", key)
    assert (told["opening"]["nano_usd"], told["closing"]["nano_usd"], told["exact"]) == (0, left, True)
    assert [line["kind"] for line in told["lines"]] == ["grant", "grant", "grant", "charges"]
    assert sum(line["nano_usd"] for line in told["lines"]) == left
    assert hub.tollway("ledger", "statement", user) == told
    status, headers, text = hub.ask("/billing/statement?format=csv", key=key)
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert Decimal(rows[-1]["balance"]) * 1_000_000 == left
    assert rows[2]["description"].startswith("'=HYPERLINK")
    assert rows[2]["author"] == "'@ann"
    assert [row["credits"] for row in rows[1:4]] == ["1000.000000", "0.500000", "-0.250000"]


def test_a_statement_is_for_its_owner_and_for_administrators(start: Start) -> None:
    hub = start()
    (ada, _), (_, key) = hub.user(7), hub.user(1)
    assert hub.ask(f"/billing/statement?user={ada}", key=key)[0] == 403
    told = get(hub, f"/billing/statement?user={ada}", hub.keys["admin_key"])
    assert told["closing"]["credits"] == 7.0
    today = time.strftime("%Y-%m-%d", time.gmtime())
    part = get(hub, f"/billing/statement?user={ada}&from={today}&to={today}", hub.keys["admin_key"])
    assert (len(part["lines"]), part["closing"]["credits"]) == (1, 7.0)
    for query in ("from=yesterday", "to=2026-13-01", "from=2027-01-02&to=2026-12-31"):
        assert hub.ask(f"/billing/statement?{query}", key=key)[0] == 400


def test_administrators_see_the_whole_hub_and_what_each_model_brought(start: Start) -> None:
    hub = start()
    (_, key), (_, other) = hub.user(1000), hub.user(1000)
    receipts = [ask(hub, key), ask(hub, key), ask(hub, other)]
    told = get(hub, "/usage/admin?days=7", hub.keys["admin_key"])
    assert (told["total_requests"], told["active_users"]) == (3, 2)
    assert told["total_credits"] == spent(receipts) / 1_000_000
    assert [row["requests"] for row in told["by_provider"]] == [3]
    assert sum(row["users"] for row in told["by_plan"]) == 2
    assert sum(row["requests"] for row in told["daily"]) == 3
    (model,) = get(hub, "/usage/admin/models", hub.keys["admin_key"])["models"]
    assert (model["model"], model["requests"]) == ("echo", 3)
    assert model["revenue_usd"] == spent(receipts) / 1e9
    assert round(model["margin_pct"], 0) == round(0.4 / 1.4 * 100, 0)
    assert hub.ask("/usage/admin", key=key)[0] == 403
    assert hub.audit() == []
