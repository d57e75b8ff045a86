"""API keys and receipts: made once, shown once, refused at once; a receipt is its owner's, complete and lasting."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.journeys.callers import CALLERS, OPENAI, Caller, newcomer
from tests.journeys.hub import Hub, NewDatabase

ECHO = "echo"
FIELDS = {
    "request_id", "user_id", "key_id", "reason", "surface", "model", "asked_model", "stream", "started_at",
    "duration_ms", "first_byte_ms", "attempts", "tokens", "price", "hold", "charge", "dropped", "note",
    "hold_at_end", "hold_extensions", "x-tollway-stop", "overridden", "group", "fallback",
}  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("keys"), new_database()).start()
    yield made
    assert made.audit() == []
    made.stop()


def delete(hub: Hub, key_id: str, key: str) -> int:
    """Revoke over HTTP; the status."""
    lines = {"authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{hub.url}/api-keys/{key_id}", headers=lines, method="DELETE")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_key_revoked_by_the_command_line_opens_nothing_from_the_next_call_on(hub: Hub, caller: Caller) -> None:
    user, _ = newcomer(hub, 100)
    made = hub.tollway("keys", "create", user, "--name", "for a while")
    assert made["api_key"].startswith("inf_")
    assert caller.ask(hub, made["api_key"], model=ECHO).status == 200
    hub.tollway("keys", "revoke", made["key_id"])
    refused = caller.ask(hub, made["api_key"], model=ECHO)
    assert refused.status == 401
    assert "revoked" in caller.error(refused)["message"]
    assert caller.ask(hub, made["api_key"], model=ECHO, stream=True).status == 401


def test_a_key_made_over_http_is_shown_once_and_kept_nowhere(hub: Hub) -> None:
    _, key = newcomer(hub, 100)
    status, _, made = hub.ask("/api-keys", {"name": "laptop"}, key)
    assert status == 200
    assert made["api_key"].startswith("inf_")
    expires = datetime.fromisoformat(made["expires_at"])
    assert timedelta(days=89) < expires - datetime.now(UTC) <= timedelta(days=90)
    assert OPENAI.ask(hub, made["api_key"], model=ECHO).status == 200
    _, _, listed = hub.ask("/api-keys", key=key)
    assert {one["name"] for one in listed["api_keys"]} == {"Default", "laptop"}
    assert made["api_key"] not in str(listed)
    kept = [row for table in hub.tables() for row in hub.rows(f"SELECT * FROM {table}")]
    assert kept
    assert made["api_key"] not in str(kept)
    assert made["api_key"] not in (hub.folder / "serve.log").read_text()


def test_a_key_is_revoked_over_http_by_its_owner_and_by_nobody_else(hub: Hub) -> None:
    _, key = newcomer(hub, 100)
    _, stranger = newcomer(hub, 100)
    made = hub.ask("/api-keys", {"name": "laptop"}, key)[2]
    assert delete(hub, made["key_id"], stranger) == 404
    assert OPENAI.ask(hub, made["api_key"], model=ECHO).status == 200
    assert delete(hub, made["key_id"], key) == 200
    assert OPENAI.ask(hub, made["api_key"], model=ECHO).status == 401
    assert hub.ask("/api-keys", key=made["api_key"])[0] == 401
    assert [one["name"] for one in hub.ask("/api-keys", key=key)[2]["api_keys"]] == ["Default"]


def test_a_key_ends_when_it_expires(hub: Hub) -> None:
    _, key = newcomer(hub, 100)
    made = hub.ask("/api-keys", {"name": "short", "expires_in_days": 1.5 / 86_400}, key)[2]
    assert OPENAI.ask(hub, made["api_key"], model=ECHO).status == 200
    deadline = time.monotonic() + 10
    while (heard := OPENAI.ask(hub, made["api_key"], model=ECHO)).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert heard.status == 401
    assert "expired" in heard.json["error"]["message"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_receipt_is_there_at_once_complete_and_its_owners_alone(hub: Hub, caller: Caller, stream: bool) -> None:
    user, key = newcomer(hub, 100)
    _, stranger = newcomer(hub, 100)
    heard = caller.ask(hub, key, "hello there", model=ECHO, stream=stream)
    receipt = hub.receipt(heard.id, key)
    assert set(receipt) == FIELDS
    assert receipt["request_id"] == heard.id
    assert receipt["user_id"] == user
    assert receipt["stream"] is stream
    assert receipt["asked_model"] == receipt["model"] == ECHO
    assert receipt["tokens"]["source"] == "upstream"
    assert receipt["price"]["version"]
    assert {line["what"] for line in receipt["price"]["lines"]} == {"input", "output"}
    assert [one["fault"] for one in receipt["attempts"]] == [""]
    assert 0 < receipt["charge"]["nano_usd"] <= receipt["hold"]["nano_usd"]
    assert hub.ask(f"/v1/receipts/{heard.id}", key=stranger)[0] == 404
    assert hub.ask(f"/v1/receipts/{heard.id}")[0] == 401
    assert set(hub.receipt(heard.id, hub.keys["admin_key"])) == FIELDS | {"provider_cost", "overrun"}
    if not stream:
        assert float(heard.headers["x-tollway-cost"]) == receipt["charge"]["credits"]


def test_a_receipt_outlives_the_gateway(start: Callable[..., Hub]) -> None:
    hub = start()
    key = hub.keys["api_key"]
    heard = OPENAI.ask(hub, key, model=ECHO)
    receipt = hub.receipt(heard.id, key)
    assert hub.stop() == 0
    hub.start()
    assert hub.receipt(heard.id, key) == receipt
    shown = hub.tollway("receipts", "show", heard.id)
    for attempt in shown["attempts"]:
        del attempt["account"], attempt["key"]  # whose credential was used is for administrators
    assert {name: shown[name] for name in FIELDS} == receipt
