"""Channels of new-api and one-api, from their database or an export, become ours; what does not is named."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tollway.core.errors import BadRequest
from tollway.gateway.channels.form import Form
from tollway.gateway.channels.imports import relays
from tollway.gateway.channels.imports.found import Found, World
from tollway.gateway.channels.imports.relay_file import open_file
from tollway.gateway.stock import known_providers

WORLD = World(known_providers(), lambda name: name, lambda name: "")
ROW: dict[str, Any] = {
    "id": 7, "type": 1, "key": "sk-a", "status": 1, "name": "Main one", "weight": 0, "base_url": "", "models": "a,b",
    "group": "default", "priority": 0, "auto_ban": 1,
}  # fmt: skip


def taken(hub: str, *changes: dict[str, Any], options: dict[str, str] | None = None) -> Found:
    found = relays.read([ROW | change for change in changes], options or {}, WORLD, hub)
    for row in found.rows:
        Form(WORLD.providers, {}).read(row)  # whatever is found can be kept
    return found


def only(hub: str, **change: Any) -> dict[str, Any]:
    (row,) = taken(hub, change).rows
    return row


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"id": "Main-one", "provider": "openai", "key": "sk-a", "models": {"a": "a", "b": "b"}, "weight": None}),
        ({"base_url": "https://p.example"}, {"base_url": "https://p.example/v1"}),
        ({"base_url": "https://p.example/v1/"}, {"base_url": "https://p.example/v1"}),
        ({"type": 14}, {"provider": "anthropic", "base_url": None}),
        ({"type": 24}, {"provider": "gemini", "base_url": None}),
        ({"type": 43}, {"provider": "deepseek"}),
        ({"type": 4}, {"provider": "ollama", "base_url": "http://localhost:11434"}),
        ({"type": 45}, {"provider": "openai", "base_url": "https://ark.cn-beijing.volces.com/api/v3"}),
        ({"status": 2}, {"enabled": False}),
        ({"status": 3}, {"enabled": False}),
        ({"key": "sk-a\nsk-b\n"}, {"keys": ["sk-a", "sk-b"], "key": None}),
        (
            {"key": "a\nb\nc", "channel_info": '{"multi_key_mode":"polling","multi_key_status_list":{"1":3}}'},
            {"keys": ["a", "c"], "key_choice": "round_robin"},
        ),
        ({"group": "vip, svip"}, {"groups": ["vip", "svip"]}),
        ({"priority": 5, "weight": 20, "tag": "t"}, {"priority": 5, "weight": 20, "tag": "t"}),
        ({"model_mapping": '{"a":"b"}'}, {"model_mapping": {"a": "b"}}),
        ({"status_code_mapping": '{"404":"500"}'}, {"status_code_mapping": {"404": "500"}}),
        ({"param_override": '{"temperature":0}'}, {"param_override": {"temperature": 0}}),
        ({"setting": '{"pass_through_body_enabled":true}'}, {"pass_through": True}),
        (
            {"setting": '{"force_format":true,"thinking_to_content":true,"proxy":"socks5://a:b@h:1"}'},
            {"force_format": True, "thinking_to_content": True, "proxy": "socks5://a:b@h:1"},
        ),
        (
            {"setting": '{"system_prompt":"Be kind.","system_prompt_override":true}'},
            {"system_prompt": "Be kind.", "system_prompt_override": True},
        ),
        ({"settings": '{"allow_service_tier":true}'}, {"allow": ["service_tier"]}),
        ({"settings": '{"disable_store":true}'}, {"disable_store": True}),
        ({"auto_ban": 0}, {"auto_disable": False}),
        ({"key": ""}, {"enabled": False}),
    ],
)  # fmt: skip
def test_a_row_becomes_a_channel(change: dict[str, Any], expected: dict[str, Any]) -> None:
    row = only("new-api", **change)
    assert {name: row.get(name) for name in expected} == expected


def test_the_two_hubs_number_their_types_differently() -> None:
    assert only("new-api", type=48)["provider"] == "xai"
    assert only("one-api", type=45)["provider"] == "xai"
    assert only("one-api", type=29)["provider"] == "groq"
    assert taken("new-api", {"type": 29}).rows == []
    assert only("one-api", type=50, base_url="https://p.example/api/v9")["base_url"] == "https://p.example/api/v9"


def test_what_has_no_counterpart_is_listed() -> None:
    found = taken(
        "new-api",
        {"type": 33},
        {"setting": '{"proxy":"https://x","azure":true}', "other": "2024-02-01", "used_quota": 5},
        {"model_mapping": "{broken", "settings": "[1]"},
        {"key": '{"type":"service_account"}'},
    )
    told = " ".join(f"{note.where} {note.what}" for note in found.notes)
    for word in (
        "AWS Bedrock",
        "setting.proxy",
        "setting.azure",
        ".other",
        "history",
        "model_mapping",
        "JSON keys",
    ):
        assert word in told
    assert len(found.rows) == 3


def test_groups_come_along() -> None:
    options = {"GroupRatio": '{"default":1,"vip":0.5}', "UserUsableGroups": '{"vip":"Fast"}', "AutoGroups": "[broken"}
    found = taken("new-api", {"group": "vip,odd"}, options=options)
    assert found.groups["group_ratio"] == {"default": 1, "vip": 0.5, "odd": 1}
    assert found.groups["user_usable_groups"] == {"vip": "Fast"}
    assert any(note.where == "options.AutoGroups" for note in found.notes)


@pytest.mark.parametrize(
    "rows", [[5, None], [{}], [{"type": "1"}], [{"type": True}], [{"type": 1, "name": 5, "key": 7}]]
)
def test_rows_that_are_none_are_told_of(rows: list[Any]) -> None:
    assert relays.read(rows, {}, WORLD, "new-api").notes


def test_a_database_is_read_and_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "one-api.db"
    with closing(sqlite3.connect(file)) as database:
        columns = ", ".join(f'"{name}"' for name in ROW)
        database.execute(f"CREATE TABLE channels ({columns})")
        database.execute(f"INSERT INTO channels VALUES ({', '.join('?' * len(ROW))})", tuple(ROW.values()))
        database.execute("CREATE TABLE options (key TEXT, value TEXT)")
        database.execute("INSERT INTO options VALUES ('GroupRatio', '{}')")
        database.commit()
    before = file.read_bytes()
    assert open_file(file) == ([ROW], {"GroupRatio": "{}"})
    assert file.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["one-api.db"]


@pytest.mark.parametrize("wrapped", [[ROW], {"data": [ROW]}, {"data": {"items": [ROW]}}, {"channels": [ROW]}])
def test_an_export_is_read_however_it_is_wrapped(tmp_path: Path, wrapped: Any) -> None:
    (tmp_path / "export.json").write_text(json.dumps(wrapped))
    assert open_file(tmp_path / "export.json") == ([ROW], {})


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b"5", b'{"data": 5}', b"SQLite format 3\0garbage", b"[" * 100_000]
)
def test_any_other_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(BadRequest):
        open_file(tmp_path / "file")


def test_an_advanced_custom_channel_brings_the_routes_there_are_paths_for() -> None:
    routes = [
        {"incoming_path": "/v1/messages", "upstream_path": "/x", "converter": "none", "models": None},
        {"incoming_path": "/v1/images/generations", "upstream_path": "/y"},
    ]
    settings = json.dumps({"advanced_custom": {"advanced_routes": routes}})
    found = taken("new-api", {"type": 58, "settings": settings, "base_url": "https://c.example"})
    (row,) = found.rows
    assert (row["provider"], row["base_url"]) == ("advanced_custom", "https://c.example")
    assert row["advanced_routes"] == [{"incoming_path": "/v1/messages", "upstream_path": "/x", "converter": "none"}]
    assert any("advanced_routes[1]" in note.where for note in found.notes)
    Form(known_providers(), {}).read({"models": {"m": "m"}, **row})
