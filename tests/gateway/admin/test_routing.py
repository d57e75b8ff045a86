"""`GET /admin/routing`: how a call would find its channel."""

from tests.gateway.admin.conftest import Hub


async def test_an_administrator_sees_every_candidate_and_why_it_stands_there(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    told = (await root.get("/admin/routing", params={"model": "gpt-5-mini", "prompt": "hello " * 100})).json()
    assert (told["model"], told["strategy"], told["stated_by"]) == ("gpt-5-mini", ["weighted"], "[routing]")
    first = told["candidates"][0]
    assert (first["order"], first["channel"], first["state"], first["excluded"]) == (1, "openai", "closed", "")
    assert first["price_usd"] > 0 and told["input_tokens"] > 100 and "sk-" not in str(told)


async def test_it_tells_what_the_key_of_a_user_would_get(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    ada = await hub.newcomer("ada@example.com")
    made = (await ada.post("/api-keys", json={"models": ["claude-*"], "name": "narrow"})).json()
    told = (await root.get("/admin/routing", params={"model": "gpt-5-mini", "key": made["key_id"]})).json()
    assert told["may_use"] is False
    nobody = await root.get("/admin/routing", params={"model": "gpt-5-mini", "key": "key_nobody"})
    assert nobody.status_code == 404


async def test_a_pin_shows_what_it_leaves_out_and_a_wrong_route_is_refused(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    asked = {"model": "gpt-5-mini", "route": "channel:openai"}
    assert (await root.get("/admin/routing", params=asked)).json()["strategy"] == ["pinned"]
    assert (await root.get("/admin/routing", params=asked | {"route": "channel:echo"})).status_code == 400
    assert (await root.get("/admin/routing", params=asked | {"route": "quickest"})).status_code == 400


async def test_auto_says_which_model_the_question_gets(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    asked = {"model": "auto", "prompt": "Prove the theorem step by step"}
    told = (await root.get("/admin/routing", params=asked)).json()
    assert told["auto"]["kind"] == "reasoning" and told["model"] == "gpt-5.2"


async def test_auto_is_explained_as_the_plan_of_the_keys_owner_has_it(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    free = await hub.newcomer("free@example.com", plan="free")
    key = (await free.post("/api-keys", json={})).json()["key_id"]
    asked = {"model": "auto", "prompt": "Prove the theorem step by step", "key": key}
    told = (await root.get("/admin/routing", params=asked)).json()
    assert (told["auto"]["level"], told["may_use"]) == ("simple", True)
    picture = await root.get("/admin/routing", params=asked | {"prompt": "Draw a fox in the snow"})
    assert picture.status_code == 403 and "upgrade" in picture.text


async def test_others_are_not_told(hub: Hub) -> None:
    ada = await hub.newcomer("ada@example.com")
    assert (await ada.get("/admin/routing", params={"model": "gpt-5-mini"})).status_code == 403
    root = await hub.newcomer("root@example.com", admin=True)
    assert (await root.get("/admin/routing", params={"model": "nothing"})).status_code == 404


async def test_a_key_keeps_the_route_it_was_given_and_one_there_is_not_is_refused(hub: Hub) -> None:
    ada = await hub.newcomer("ada@example.com")
    made = (await ada.post("/api-keys", json={"route": "prefix_affinity,cheapest"})).json()
    assert made["limits"]["route"] == "prefix_affinity,cheapest"
    path = f"/api-keys/{made['key_id']}"
    assert (await ada.patch(path, json={"route": "round_robin"})).json()["limits"]["route"] == "round_robin"
    assert "route" not in (await ada.patch(path, json={"route": None})).json()["limits"]
    for route in ("quickest", "channel:openai", ""):
        refused = await ada.patch(path, json={"route": route})
        assert refused.status_code == 400 and "known are by_complexity" in refused.text


async def test_without_a_model_the_state_of_every_circuit_is_told(hub: Hub) -> None:
    root = await hub.newcomer("root@example.com", admin=True)
    told = (await root.get("/admin/routing")).json()
    assert told == {"all_well": True, "circuits": [], "hedging": None}
    ada = await hub.newcomer()
    assert (await ada.get("/admin/routing")).status_code == 403
