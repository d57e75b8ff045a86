"""`tollway route explain`, and settings of routing that make no sense."""

import os
from pathlib import Path

import pytest

from tests.test_cli import NOT_FOUND, USAGE, Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    foreign = ("_API_KEY", "_BASE_URL")
    for name in [name for name in os.environ if name.startswith("TOLLWAY_") or name.endswith(foreign)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path / "data")


def test_a_route_is_explained_from_the_files_and_the_database(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "tollway.toml").write_text(
        '[routing]\nstrategy = "cheapest"\n'
        '[[channels]]\nid = "dear"\nprovider = "openai"\nkey = "sk-1"\nprice_factor = 2\n'
        '[[channels]]\nid = "cheap"\nprovider = "openai"\nkeys = ["sk-2", "sk-3"]\n'
        '[[channels]]\nid = "spare"\nprovider = "openai"\nkey = "sk-4"\nweight = 0\n'
    )
    told = shell.json("route", "explain", "gpt-5-mini", "--prompt", "hello")
    assert [row["channel"] for row in told["candidates"]] == ["cheap", "cheap", "dear", "spare"]
    assert told["strategy"] == ["cheapest", "weighted"] and told["stated_by"] == "[routing]"
    shell.json("channels", "create", "resting", "--provider", "openai", "--key", "sk-5", "--set", "enabled=false")
    last = shell.json("route", "explain", "gpt-5-mini")["candidates"][-1]
    assert (last["channel"], last["order"], last["excluded"]) == ("resting", None, "its channel is switched off")
    text = shell("route", "explain", "auto", "--prompt", "Prove the theorem step by step").output
    assert "auto → gpt-5.2 (a medium question, reasoning)" in text and "weight 0: after the others" in text
    assert "sk-" not in text
    pinned = shell.json("route", "explain", "gpt-5-mini", "--route", "channel:dear")
    assert [row["excluded"] for row in pinned["candidates"]] == [
        "",
        *["the channel dear is pinned"] * 3,
        "its channel is switched off",
    ]
    wrong = shell("route", "explain", "gpt-5-mini", "--route", "quickest")
    assert wrong.exit_code == USAGE and "known are by_complexity, cheapest" in wrong.output
    assert shell("route", "explain", "nothing").exit_code == NOT_FOUND
    made = shell.json("users", "create", "ada@example.com")
    key = shell.json("keys", "create", made["user_id"], "--route", "round_robin")
    own = shell.json("route", "explain", "gpt-5-mini", "--key", key["key_id"])
    assert own["strategy"] == ["round_robin", "weighted"] and own["stated_by"] == "key"
    assert shell.json("keys", "set", key["key_id"], "--route", "", "--model", "")["limits"] == {}
    assert shell.json("route", "explain", "gpt-5-mini", "--key", key["key_id"])["stated_by"] == "[routing]"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[routing]\nstrategy = "quickest"\n', "'quickest' is no strategy"),
        ('[[models]]\nid = "gpt-5-mini"\nstrategy = "quickest"\n', "gpt-5-mini: strategy: 'quickest' is no strategy"),
        ("[routing]\naffinity_ttl_s = 0\n", "affinity_ttl_s"),
        ('[[channels]]\nid = "a"\nprovider = "openai"\nkey = "k"\nprice_factor = 0\n', "price_factor"),
    ],
)
def test_a_routing_setting_that_makes_no_sense_is_refused_by_name(
    shell: Shell, tmp_path: Path, toml: str, said: str
) -> None:
    key = '[[channels]]\nid = "one"\nprovider = "openai"\nkey = "sk-1"\n' if "channels" not in toml else ""
    (tmp_path / "tollway.toml").write_text(toml + key)
    refused = shell("route", "explain", "gpt-5-mini")
    assert refused.exit_code == USAGE and said in refused.output, refused.output
