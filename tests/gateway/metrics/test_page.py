"""Who may read the metrics, and how they are said."""

import json
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from tests.gateway.metrics.scraping import every_label, families, scrape, value
from tests.gateway.pipeline.stage import JSON, Ear, Played, Stage, open_stage, refused, whole
from tollway.core.caller import Scope
from tollway.gateway.auth.api_keys import ApiKeys, KeyRules
from tollway.kit.http1.wire import Request

ELSEWHERE = "192.0.2.9"


async def admin_key(stage: Stage) -> str:
    """The key of somebody who administers."""
    hub = stage.hub
    users = hub.newcomers().users
    root, _ = await users.create("root@test.example", admin=True)
    return (await ApiKeys(hub.database, hub.clock, KeyRules(90)).create(root.id, "root", scope=Scope.ADMIN)).api_key


async def status(stage: Stage, peer: str = ELSEWHERE, key: str = "", **headers: str) -> int:
    lines = {name.replace("_", "-"): text for name, text in headers.items()}
    return (await scrape(stage, peer=peer, headers=lines | ({"authorization": f"Bearer {key}"} if key else {}))).status


async def test_this_machine_reads_them_and_nobody_else_without_a_key(stage: Stage) -> None:
    assert await status(stage, "127.0.0.1") == await status(stage, "::1") == 200
    assert await status(stage, ELSEWHERE) == await status(stage, "") == 401
    assert await status(stage, "127.0.0.1", x_forwarded_for="192.0.2.9") == 401, "it came through a proxy here"


async def test_an_administrators_key_reads_them_from_anywhere_and_a_callers_does_not(stage: Stage) -> None:
    assert await status(stage, key=await admin_key(stage)) == 200
    refusal = await scrape(stage, peer=ELSEWHERE, headers={"x-api-key": stage.key})
    assert refusal.status == 403 and "administrators" in refusal.json["error"]["message"]
    assert await status(stage, "127.0.0.1", key=stage.key) == 403, "a key that is shown is the key that counts"


async def test_with_a_token_it_is_the_token_or_an_administrators_key(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={"METRICS_TOKEN": "scrape-me"}) as stage:
        assert await status(stage, key="scrape-me") == 200
        assert await status(stage, key="scrape-you") == await status(stage, "127.0.0.1") == 401
        assert await status(stage, key=await admin_key(stage)) == 200
        assert "scrape-me" not in repr(stage.hub.settings.metrics)


async def test_only_get_is_answered(stage: Stage) -> None:
    assert (await scrape(stage, method="POST")).status == 405


async def test_switched_off_there_is_no_such_path_and_nothing_is_counted(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={"METRICS_ENABLED": "0", "OPENAI_API_KEY": "sk-o"}) as stage:
        assert (await stage.chat(whole())).status == 200 and (await stage.chat(refused(400))).status == 400
        assert await status(stage, key=await admin_key(stage)) == 404
        assert stage.hub.ledger.writer.listener is None and stage.front.tally is None


async def test_openmetrics_says_the_same_as_the_text(stage: Stage) -> None:
    await stage.chat(whole())
    found = await families(stage)
    answer = await scrape(stage, headers={"accept": "application/openmetrics-text; version=1.0.0"})
    other = {one.name: one for one in read_openmetrics(answer.data.decode())}
    assert answer.data.endswith(b"# EOF\n")
    for name in ("api_requests_total", "api_tokens_total", "api_request_duration_seconds_count", "users_total"):
        assert value(other, name) == value(found, name)
    assert value(found, "api_tokens_total") > 0 and value(found, "users_total") == 1


async def test_a_scrape_counts_what_ended_before_it_though_the_database_does_not_have_it_yet(stage: Stage) -> None:
    await stage.chat(whole())
    assert stage.hub.ledger.writer.waiting == 1
    assert value(await families(stage), "api_model_requests_total", status_code="200") == 1
    await stage.hub.ledger.flush()
    found = await families(stage)
    assert value(found, "api_model_requests_total") == 1 and value(found, "ledger_queue_calls") == 0


async def test_models_are_shown_by_family_where_that_is_set(tmp_path: Path) -> None:
    environ = {"METRICS_MODEL_LABEL": "family", "OPENAI_API_KEY": "sk-o"}
    async with open_stage(tmp_path, environ=environ) as stage:
        await stage.chat(whole())
        await stage.chat(whole(), model="gpt-5.2")
        found = await families(stage)
        assert value(found, "api_model_requests_total", model="openai") == 2
        assert not {"gpt-5-mini", "gpt-5.2"} & every_label(found.values())


async def test_the_control_plane_is_counted_by_its_routes_and_not_by_what_stands_in_them(stage: Stage) -> None:
    async def get(path: str, key: str) -> int:
        ear, lines = Ear(), {b"authorization": f"Bearer {key}".encode()}
        await stage.front.handle(Request("GET", path, "", lines, b"", ELSEWHERE), ear)
        return ear.status

    root = await admin_key(stage)
    assert await get("/admin/users/usr_1", root) == await get("/admin/users/usr_2", root) == 404
    assert await get("/admin/users", stage.key) == 403
    assert await get("/admin/users", "sk-" + "x" * 48) == 401
    assert await get("/no/such/path", root) == 404
    found = await families(stage)
    assert value(found, "api_requests_total", method="GET", status_class="4xx", route="/admin/users/{user}") == 2
    assert value(found, "api_requests_total", method="GET", route="/admin/users") == 2
    assert value(found, "api_requests_total", route="other") == 1
    assert value(found, "api_refusals_total", route="/admin/users", reason="unauthenticated") == 1


@pytest.fixture
async def stage(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with open_stage(tmp_path) as made:
        yield made


async def test_vectors_are_counted_as_what_they_are(stage: Stage) -> None:
    body = {"object": "list", "model": "up", "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    vectors = {**body, "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]}
    answer = Played([json.dumps(vectors).encode()], headers=JSON)
    asked = {"model": "text-embedding-3-small", "input": "hello"}
    assert (await stage.ask("/v1/embeddings", asked, answer)).status == 200
    found = await families(stage)
    assert value(found, "provider_request_duration_seconds_count", operation="embed") == 1
    assert value(found, "api_requests_total", route="/v1/embeddings", status_class="2xx") == 1
    assert value(found, "api_tokens_total", model="text-embedding-3-small", direction="input") == 7
