"""Keys, receipts, accounts and administration, as clients of the control plane see them."""

import asyncio
import re
from datetime import datetime, timedelta

import pytest

from tests.gateway.admin.conftest import Hub
from tollway.core.caller import KeyLimits, Payer
from tollway.core.ids import CallId, KeyId
from tollway.core.money import nano_of_credits
from tollway.core.receipt import Attempt, PriceLine, Reason, Receipt
from tollway.core.usage import Usage


async def test_a_key_is_made_shown_once_listed_and_revoked(hub: Hub) -> None:
    ada = await hub.newcomer()
    made = (await ada.post("/api-keys", json={"name": "laptop"})).json()
    assert re.fullmatch(r"inf_[A-Za-z0-9_-]{43}", made["api_key"])
    lifetime = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert lifetime == timedelta(days=90)

    listed = (await ada.get("/api-keys")).json()["api_keys"]
    assert [key["name"] for key in listed] == ["laptop", "Default"]
    assert {"key_id", "name", "prefix", "created_at", "expires_at", "last_used_at", "status"} <= set(listed[0])
    assert listed[0]["prefix"] == made["api_key"][:8] + "..."
    assert made["api_key"] not in str(listed)

    other = hub.client(made["api_key"])
    assert (await other.get("/me")).status_code == 200
    assert (await ada.delete(f"/api-keys/{made['key_id']}")).json() == {"key_id": made["key_id"], "deleted": True}
    refused = await other.get("/me")
    assert refused.status_code == 401
    assert "revoked" in refused.json()["detail"]["message"]
    assert [key["name"] for key in (await ada.get("/api-keys")).json()["api_keys"]] == ["Default"]
    assert (await ada.get("/api-keys?revoked=true")).json()["api_keys"][0]["status"] == "revoked"
    assert (await ada.delete(f"/api-keys/{made['key_id']}")).status_code == 404


async def test_no_body_makes_a_key_named_default_and_unknown_fields_are_ignored(hub: Hub) -> None:
    ada = await hub.newcomer()
    assert (await ada.post("/api-keys")).json()["name"] == "Default"
    assert (await ada.post("/api-keys", json={"colour": "red"})).json()["name"] == "Default"


async def test_limits_and_lifetime_can_be_asked_for(hub: Hub) -> None:
    ada = await hub.newcomer()
    wish = {"requests_per_minute": 5, "parallel_calls": 2, "models": ["gpt-*"], "expires_in_days": 0.5}
    made = (await ada.post("/api-keys", json=wish)).json()
    assert made["limits"] == {"requests_per_minute": 5, "parallel_calls": 2, "models": ["gpt-*"]}
    narrow = hub.client(made["api_key"])
    assert (await narrow.get("/me")).json()["key"]["limits"] == made["limits"]
    refused = await narrow.post("/api-keys", json={})
    assert refused.status_code == 403, "else a key with limits could make itself one without"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": 7}, "name"),
        ({"name": ""}, "name"),
        ({"requests_per_minute": "5"}, "requests_per_minute"),
        ({"requests_per_minute": True}, "requests_per_minute"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"models": ["ok", 5]}, "models[1]"),
        ({"models": []}, "models"),
        ({"expires_in_days": -1}, "expires_in_days"),
        ({"expires_in_days": 1e300}, "expires_in_days"),
    ],
)
async def test_a_wrong_field_is_named(hub: Hub, body: dict[str, object], field: str) -> None:
    answer = await (await hub.newcomer()).post("/api-keys", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]["code"] == "INVALID_REQUEST"
    assert answer.json()["detail"]["field"] == field


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'"x"', b"\xff\xfe", b'{"name": "\\ud800"}', b'{"name": NaN}'])
async def test_a_body_that_is_no_object_is_a_400_and_never_a_500(hub: Hub, body: bytes) -> None:
    ada = await hub.newcomer()
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        answer = await ada.post("/api-keys", content=body, headers={"content-type": content_type})
        assert answer.status_code == 400, (content_type, answer.text)
        assert answer.json()["detail"]["message"]


async def test_the_eleventh_active_key_is_refused(hub: Hub) -> None:
    ada = await hub.newcomer()
    answers = await asyncio.gather(*(ada.post("/api-keys") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["detail"]["code"] == "KEY_LIMIT"


async def test_a_users_key_is_absent_for_another_user_and_reachable_for_an_administrator(hub: Hub) -> None:
    ada, eve = await hub.newcomer(), await hub.newcomer("eve@example.com")
    root = await hub.newcomer("root@example.com", admin=True)
    key_id = (await ada.post("/api-keys")).json()["key_id"]
    assert (await eve.delete(f"/api-keys/{key_id}")).status_code == 404
    assert (await root.delete(f"/api-keys/{key_id}")).status_code == 200


@pytest.mark.parametrize("path", ["/me", "/api-keys", "/admin/users", "/admin/channels", "/v1/receipts/x", "/models"])
async def test_nothing_opens_without_a_key(hub: Hub, path: str) -> None:
    answer = await hub.client().get(path)
    assert answer.status_code == 401
    assert answer.json()["detail"]["request_id"] == answer.headers["x-request-id"] == "req_test"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/users"),
        ("POST", "/admin/users"),
        ("POST", "/admin/users/x/grant"),
        ("GET", "/admin/channels"),
        ("GET", "/admin/users/x"),
    ],
)
async def test_administration_is_for_administrators(hub: Hub, method: str, path: str) -> None:
    answer = await (await hub.newcomer()).request(method, path, json={"email": "x@y", "credits": 5, "reason": "me"})
    assert answer.status_code == 403


async def test_an_administrator_makes_users_and_gives_credit(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    made = (await root.post("/admin/users", json={"email": "Ada@Example.com", "credits": 10.1})).json()
    assert made["user"]["email"] == "ada@example.com"
    assert made["balance"]["nano_usd"] == 10_100_000
    again = await root.post("/admin/users", json={"email": "ada@example.com"})
    assert (again.status_code, again.json()["detail"]["code"]) == (409, "EMAIL_TAKEN")

    grant = {"credits": "0.000001", "reason": "a nano-dollar", "kind": "topup", "reference": "once"}
    path = f"/admin/users/{made['user']['id']}/grant"
    assert (await root.post(path, json=grant)).json()["granted"] is True
    repeated = (await root.post(path, json=grant)).json()
    assert repeated["granted"] is False
    assert repeated["balance"]["nano_usd"] == 10_100_001
    back = {"credits": -10.1, "reason": "taken back"}
    assert (await root.post(path, json=back)).json()["balance"]["by_source"] == {"plan": 0, "promo": 0, "topup": 1e-6}
    assert (await root.post(path, json=back)).status_code == 400

    ada = hub.client(made["api_key"])
    me = (await ada.get("/me")).json()
    assert me["user"]["id"] == made["user"]["id"]
    assert me["balance"]["credits"] == pytest.approx(1e-6)
    listed = (await root.get("/admin/users?limit=1")).json()
    assert len(listed["users"]) == 1
    rest = (await root.get(f"/admin/users?after={listed['next']}")).json()
    assert len(rest["users"]) == 1
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"credits": 5}, "reason"),
        ({"credits": 5, "reason": ""}, "reason"),
        ({"credits": 0, "reason": "x"}, "credits"),
        ({"credits": "NaN", "reason": "x"}, "credits"),
        ({"credits": "1e30", "reason": "x"}, "credits"),
        ({"credits": "Infinity", "reason": "x"}, "credits"),
        ({"credits": 5, "reason": "x", "kind": "gold"}, "kind"),
    ],
)
async def test_a_grant_needs_an_amount_and_a_reason(hub: Hub, body: dict[str, object], field: str) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    answer = await root.post("/admin/users/root@example.com/grant", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]["field"] == field


async def test_channels_are_shown_without_their_secrets(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    answer = await root.get("/admin/channels")
    openai, echo = answer.json()["channels"]
    assert (openai["state"], echo["state"]) == ("cooling_down", "ready")
    assert openai["key"] == "sk-...9999"
    assert openai["base_url"] == "https://api.openai.com/v1"
    assert "9" * 10 not in answer.text
    assert "s3cr3t" not in answer.text
    assert "pw" not in answer.text


async def a_receipt(hub: Hub, email: str) -> Receipt:
    user = await hub.users.find(email)
    await hub.ledger.grant(user.id, nano_of_credits(100), "promo", "test", "test")
    call = CallId("req_0190")
    receipt = Receipt(
        id=call,
        user=user.id,
        key=KeyId("k"),
        reason=Reason.COMPLETED,
        surface="openai_chat",
        model="claude-haiku",
        asked="haiku",
        stream=True,
        started_at_s=1_800_000_000.0,
        duration_ms=900,
        attempts=(Attempt("c1", "openai", "gpt", 500, "boom"), Attempt("c2", "anthropic", "claude", 200)),  # type: ignore[arg-type]
        usage=Usage(input_total=1200, cache_read=200, output_total=800, tool_calls=(("web_search", 2),)),
        lines=(PriceLine("input", 1000, "1"), PriceLine("cache_read", 200, "0.1"), PriceLine("output", 800, "5")),
        price_version="2026-11-21",
        hold_nano_usd=nano_of_credits(20),
        provider_cost_nano_usd=nano_of_credits("5.02"),
        charge_nano_usd=nano_of_credits("7.028"),
    )
    hold = await hub.ledger.hold(Payer(user.id), receipt.hold_nano_usd, call)
    hold.settle(receipt)
    return receipt


async def test_a_receipt_adds_up_for_its_payer_and_is_absent_for_others(hub: Hub) -> None:
    ada, eve = await hub.newcomer(), await hub.newcomer("eve@example.com")
    root = await hub.newcomer("root@example.com", admin=True)
    receipt = await a_receipt(hub, "ada@example.com")
    for _ in range(2):  # once from memory, once from the database
        shown = (await ada.get(f"/v1/receipts/{receipt.id}")).json()
        assert shown["request_id"] == receipt.id
        assert shown["reason"] == "completed"
        assert shown["hold"] == {"credits": 20.0, "nano_usd": 20_000_000}
        assert shown["charge"]["credits"] == 7.028
        assert shown["tokens"]["input_uncached"] == 1000
        assert shown["tokens"]["tool_calls"] == {"web_search": 2}
        assert [attempt["status"] for attempt in shown["attempts"]] == [500, 200]
        cost = sum(line["count"] * float(line["usd_per_million"]) for line in shown["price"]["lines"]) * 1000
        assert cost * float(shown["price"]["margin"]) == pytest.approx(shown["charge"]["nano_usd"])
        assert "provider_cost" not in shown
        assert (await eve.get(f"/v1/receipts/{receipt.id}")).status_code == 404
        for_root = (await root.get(f"/v1/receipts/{receipt.id}")).json()
        assert for_root["provider_cost"]["credits"] == 5.02
        await hub.ledger.flush()


@pytest.mark.parametrize("name", ["req_none", "x" * 500, "%00", "%ED%A0%80", "..%2F..", "'; DROP TABLE receipts; --"])
async def test_a_receipt_that_never_was_is_a_404(hub: Hub, name: str) -> None:
    for who in (await hub.newcomer(), await hub.newcomer("root@example.com", admin=True)):
        answer = await who.get(f"/v1/receipts/{name}")
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/nowhere", {}, "detail"),
        ("/v1/nowhere", {}, "error"),
        ("/v1/nowhere", {"x-api-key": "k", "anthropic-version": "2023-06-01"}, "type"),
        ("/v1beta/nowhere", {}, "status"),
    ],
)
async def test_an_unknown_path_is_a_404_in_the_callers_envelope(
    hub: Hub, path: str, headers: dict[str, str], shape: str
) -> None:
    answer = await hub.client(**headers).get(path)
    assert answer.status_code == 404
    body = answer.json()
    assert shape in body or shape in body["error"]
    assert (await hub.client().put("/api-keys")).status_code == 405


async def test_the_api_describes_itself(hub: Hub) -> None:
    described = (await hub.client().get("/openapi.json")).json()
    assert {"/api-keys", "/v1/models", "/v1/receipts/{request_id}", "/admin/channels"} <= set(described["paths"])


async def test_a_key_with_limits_set_elsewhere_is_shown_with_them(hub: Hub) -> None:
    ada = await hub.newcomer()
    user = await hub.users.find("ada@example.com")
    await hub.keys.create(user.id, "elsewhere", KeyLimits(parallel_calls=3))
    assert (await ada.get("/api-keys")).json()["api_keys"][0]["limits"] == {"parallel_calls": 3}


async def test_a_key_may_call_in_any_automatic_group_and_go_on_to_the_next(hub: Hub) -> None:
    ada = await hub.newcomer("ada@example.com")
    asked = {"name": "auto", "group": "auto", "cross_group_retry": True}
    made = (await ada.post("/api-keys", json=asked)).json()
    assert (made["group"], made["limits"]) == ("auto", {"cross_group_retry": True})
    changed = await ada.patch(f"/api-keys/{made['key_id']}", json={"cross_group_retry": False})
    assert changed.json()["limits"] == {"cross_group_retry": False}
    refused = await ada.post("/api-keys", json={"group": "nowhere"})
    assert (refused.status_code, "nowhere" in refused.text) == (400, True)
