"""Plans, budgets, vouchers, referrals and corrections over the control plane's endpoints."""

from typing import Any

import httpx2
import pytest

from tests.gateway.admin.conftest import Hub

DAY = {"amount": 100, "period": "day", "tz": "Europe/Berlin"}


@pytest.fixture
async def admin(hub: Hub) -> httpx2.AsyncClient:
    return await hub.newcomer("root@example.com", admin=True)


async def detail(answer: httpx2.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]


async def test_an_administrator_makes_a_user_of_a_plan_and_changes_it(hub: Hub, admin: httpx2.AsyncClient) -> None:
    made = (await admin.post("/admin/users", json={"email": "ada@example.com", "plan": "free", "credits": 3})).json()
    assert made["user"]["plan"] == "free"
    assert made["balance"]["by_source"] == {"plan": 500.0, "promo": 503.0, "topup": 0.0}
    path = f"/admin/users/{made['user']['id']}"
    raised = (await admin.patch(path, json={"plan": "pro"})).json()
    assert (raised["user"]["plan"], raised["balance"]["by_source"]["plan"]) == ("pro", 55_000.0)
    lowered = (await admin.patch(path, json={"plan": "guru"})).json()["user"]
    assert (lowered["plan"], lowered["next_plan"]) == ("pro", "guru")
    assert lowered["next_plan_at"] > lowered["created_at"]
    at_once = (await admin.patch(path, json={"plan": "guru", "at_once": True})).json()
    assert (at_once["user"]["plan"], at_once["balance"]["by_source"]["plan"]) == ("guru", 10_000.0)
    assert "next_plan" not in at_once["user"]
    told = await detail(await admin.patch(path, json={"plan": "gold"}), 400)
    assert told["field"] == "plan"
    assert (await admin.get(path)).json()["user"]["plan"] == "guru"


async def test_a_free_user_sees_what_his_plan_includes(hub: Hub) -> None:
    free = await hub.newcomer(plan="free")
    allowed = {model["id"]: model["allowed"] for model in (await free.get("/models")).json()["models"]}
    assert len(allowed) == 19
    fast = {"claude-haiku", "gpt-5-mini", "gemini-3-flash", "deepseek-v3.2", "echo"}
    assert {name for name, may in allowed.items() if may} == fast
    assert {row["id"] for row in (await free.get("/v1/models")).json()["data"]} == {*fast, "echo-embedding"}
    assert (await free.get("/v1/models/claude-opus")).status_code == 404
    assert (await free.get("/me")).json()["user"]["plan"] == "free"


async def test_the_plans_on_offer_are_listed(hub: Hub) -> None:
    plans = (await (await hub.newcomer()).get("/billing/plans")).json()["plans"]
    assert [(plan["name"], plan["monthly_credits"], plan["price_usd"]) for plan in plans] == [
        ("none", 0.0, 0.0), ("free", 500.0, 0.0), ("guru", 10_000.0, 10.0), ("pro", 55_000.0, 50.0),
    ]  # fmt: skip


async def test_a_key_is_made_listed_and_changed_with_budgets(hub: Hub) -> None:
    client = await hub.newcomer()
    made = (await client.post("/api-keys", json={"name": "ci", "budget": DAY})).json()
    assert made["budgets"] == [{"amount": 100.0, "period": "day", "tz": "Europe/Berlin"}]
    listed = {key["key_id"]: key for key in (await client.get("/api-keys")).json()["api_keys"]}
    shown = listed[made["key_id"]]["budgets"]
    assert [(one["spent"], one["left"], one["period"]) for one in shown] == [(0.0, 100.0, "day")]
    assert shown[0]["resets_at"].endswith("Z")
    path = f"/api-keys/{made['key_id']}"
    wanted = [{"amount": 7, "period": "total"}, {"amount": 2.5, "period": "week"}]
    changed = (await client.patch(path, json={"budget": wanted, "requests_per_minute": 5})).json()
    assert [(one["amount"], one["period"], one["tz"]) for one in changed["budgets"]] == [
        (2.5, "week", "UTC"), (7.0, "total", "UTC"),
    ]  # fmt: skip
    assert changed["budgets"][1]["resets_at"] is None
    assert changed["limits"] == {"requests_per_minute": 5}
    changed = (await client.patch(path, json={"name": "new"})).json()
    assert (changed["name"], len(changed["budgets"]), changed["limits"]) == ("new", 2, {"requests_per_minute": 5})
    changed = (await client.patch(path, json={"budget": None, "requests_per_minute": None})).json()
    assert (changed["budgets"], changed["limits"]) == ([], {})


@pytest.mark.parametrize(
    ("budget", "field"),
    [
        ({"amount": -1, "period": "day"}, "budget.amount"),
        ({"amount": 1e12}, "budget.amount"),
        ({"amount": "ten"}, "budget.amount"),
        ({"amount": 1, "period": "day", "tz": "Mars/Olympus"}, "budget.tz"),
        ({"amount": 1, "period": "fortnight"}, "budget.period"),
        ([DAY, DAY], "budget"),
        ("a lot", "budget"),
    ],
)
async def test_a_budget_that_makes_no_sense_is_refused_by_field(hub: Hub, budget: object, field: str) -> None:
    client = await hub.newcomer()
    assert (await detail(await client.post("/api-keys", json={"budget": budget}), 400))["field"] == field


async def test_a_key_with_a_budget_cannot_free_itself(hub: Hub) -> None:
    client = await hub.newcomer()
    made = (await client.post("/api-keys", json={"budget": DAY})).json()
    bound = hub.client(made["api_key"])
    await detail(await bound.post("/api-keys", json={}), 403)
    await detail(await bound.patch(f"/api-keys/{made['key_id']}", json={"budget": None}), 403)
    stranger = await hub.newcomer("eve@example.com")
    await detail(await stranger.patch(f"/api-keys/{made['key_id']}", json={"budget": None}), 404)
    assert len((await client.get("/api-keys")).json()["api_keys"]) == 2


async def test_organisations_are_made_filled_and_bounded(hub: Hub, admin: httpx2.AsyncClient) -> None:
    await hub.newcomer("ada@example.com")
    made = (await admin.post("/admin/organisations", json={"name": "Blue", "budget": DAY})).json()
    assert (made["members"], made["budgets"][0]["left"]) == (0, 100.0)
    assert (await detail(await admin.post("/admin/organisations", json={"name": "Blue"}), 409))["code"] == "NAME_TAKEN"
    joined = await admin.post("/admin/organisations/Blue/users", json={"user": "ada@example.com"})
    assert joined.json()["user"]["organisation_id"] == made["id"]
    assert [one["members"] for one in (await admin.get("/admin/organisations")).json()["organisations"]] == [1]
    members = (await admin.get(f"/admin/organisations/{made['id']}/users")).json()["users"]
    assert [user["email"] for user in members] == ["ada@example.com"]
    changed = (await admin.patch("/admin/organisations/Blue", json={"budget": {"amount": 5}})).json()
    assert [(one["amount"], one["period"]) for one in changed["budgets"]] == [(5.0, "total")]
    left = await admin.delete("/admin/organisations/Blue/users/ada@example.com")
    assert left.json()["user"]["organisation_id"] is None
    await detail(await admin.delete("/admin/organisations/Blue/users/ada@example.com"), 404)
    await detail(await admin.get("/admin/organisations/Red"), 404)
    await detail(await admin.post("/admin/users", json={"email": "x@example.com", "organisation": "Red"}), 404)
    await detail(await admin.get("/admin/users/x@example.com"), 404)


async def test_a_users_organisation_budget_and_strictness_are_one_patch(hub: Hub, admin: httpx2.AsyncClient) -> None:
    await hub.newcomer("ada@example.com")
    await admin.post("/admin/organisations", json={"name": "Blue"})
    wanted = {"organisation": "Blue", "strict": True, "budget": [DAY]}
    user = (await admin.patch("/admin/users/ada@example.com", json=wanted)).json()["user"]
    assert (user["strict"], len(user["budgets"])) == (True, 1)
    assert user["organisation_id"].startswith("org_")
    user = (await admin.patch("/admin/users/ada@example.com", json={"organisation": None})).json()["user"]
    assert (user["organisation_id"], user["strict"], len(user["budgets"])) == (None, True, 1)


async def test_of_a_patch_that_cannot_be_all_of_it_nothing_is_done(hub: Hub, admin: httpx2.AsyncClient) -> None:
    await hub.newcomer("ada@example.com")
    path = "/admin/users/ada@example.com"
    told = await detail(await admin.patch(path, json={"strict": True, "budget": [DAY], "plan": "gold"}), 400)
    assert told["field"] == "plan"
    user = (await admin.get(path)).json()["user"]
    assert (user["strict"], user["budgets"], user["plan"]) == (False, [], "none")


async def test_a_voucher_tells_the_balance_that_usage_me_tells(hub: Hub, admin: httpx2.AsyncClient) -> None:
    ada = await hub.newcomer("ada@example.com", plan="free")
    await admin.post("/admin/vouchers", json={"code": "SPRING", "credits": 25})
    redeemed = (await ada.post("/billing/voucher", json={"code": "SPRING"})).json()
    usage = (await ada.get("/usage/me")).json()
    assert redeemed == {"credits_added": 25.0, "topup_balance": usage["topup_balance"]}


@pytest.mark.parametrize("field", ["reason", "author", "reference"])
async def test_what_a_database_cannot_keep_is_refused_by_field_and_moves_nothing(
    hub: Hub, admin: httpx2.AsyncClient, field: str
) -> None:
    await hub.newcomer("ada@example.com")
    note = {"credits": 1, "reason": "a gift", field: "a\0b"}
    assert (await detail(await admin.post("/admin/users/ada@example.com/grant", json=note), 400))["field"] == field
    assert (await detail(await admin.post("/admin/receipts/req_x/refund", json=note), 400))["field"] == field
    assert (await admin.get("/admin/users/ada@example.com")).json()["balance"]["nano_usd"] == 0
    assert (await admin.get("/admin/routing", params={"model": "echo", "key": "a\0b"})).status_code == 404


async def test_vouchers_are_made_redeemed_and_disabled(hub: Hub, admin: httpx2.AsyncClient) -> None:
    ada = await hub.newcomer("ada@example.com")
    wanted = {"code": "spring", "credits": 12.5, "max_redemptions": 3, "expires_at": "2099-01-01", "note": "fair"}
    made = (await admin.post("/admin/vouchers", json=wanted)).json()
    assert (made["code"], made["status"], made["expires_at"]) == ("SPRING", "active", "2099-01-01T00:00:00.000Z")
    redeemed = await ada.post("/billing/voucher", json={"code": "Spring"})
    assert redeemed.json() == {"credits_added": 12.5, "topup_balance": 12.5}
    again = await detail(await ada.post("/billing/voucher", json={"code": "SPRING"}), 409)
    assert (again["code"], again["field"]) == ("VOUCHER_ALREADY_REDEEMED", "code")
    await detail(await ada.post("/billing/voucher", json={"code": "SUMMER"}), 404)
    assert (await admin.delete("/admin/vouchers/spring")).json()["status"] == "disabled"
    assert [one["redeemed"] for one in (await admin.get("/admin/vouchers")).json()["vouchers"]] == [1]
    told = await detail(await admin.post("/admin/vouchers", json={"credits": 1, "expires_at": "soon"}), 400)
    assert told["field"] == "expires_at"
    await detail(await ada.post("/admin/vouchers", json={"credits": 1}), 403)


async def test_who_brought_whom_is_claimed_and_shown_without_addresses(hub: Hub) -> None:
    ada, bob = await hub.newcomer("ada@example.com"), await hub.newcomer("bob@example.com")
    mine = (await ada.get("/referrals/me")).json()
    assert (mine["referrals"], mine["credits_earned"], mine["may_claim"]) == (0, 0.0, True)
    claimed = (await bob.post("/referrals/claim", json={"code": mine["code"]})).json()
    assert claimed == {"claimed": True, "referrer": mine["name"]}
    refused = await detail(await ada.post("/referrals/claim", json={"code": mine["code"]}), 409)
    assert refused["code"] == "SELF_REFERRAL"
    assert (await ada.get("/me")).json()["balance"]["by_source"]["promo"] == 1000.0
    await ada.patch("/referrals/me", json={"name": "Ada L."})
    board = (await bob.get("/referrals/leaderboard")).json()["leaderboard"]
    assert board == [{"rank": 1, "name": "Ada L.", "referrals": 1, "credits_earned": 1000.0}]
    assert "@" not in str(board)


async def test_a_correction_never_takes_more_than_there_is(hub: Hub, admin: httpx2.AsyncClient) -> None:
    await hub.newcomer("ada@example.com")
    path = "/admin/users/ada@example.com/grant"
    await admin.post(path, json={"credits": 5, "reason": "a gift"})
    told = await detail(await admin.post(path, json={"credits": -5.000001, "reason": "too much"}), 400)
    assert "free to be taken back" in told["message"]
    taken = (await admin.post(path, json={"credits": -5, "reason": "a mistake"})).json()
    assert taken["balance"]["credits"] == 0.0
