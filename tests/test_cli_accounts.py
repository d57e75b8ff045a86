"""`tollway accounts`: what an operator sees of the pools and does to them."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.mocks.accounts import Subscriber, state_file
from tollway.cli.root import root

POOL = """
[accounts.{name}]
provider = "claude_subscription"
token_url = "http://127.0.0.1:9/token"
client_id = "operator-client"
"""
CREDENTIALS = {"claudeAiOauth": {"accessToken": "at-secret", "refreshToken": "rt-secret", "expiresAt": 4e12}}


class Desk:
    """One data folder and the operator's file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pools("claude")

    def pools(self, *names: str) -> None:
        (self.folder / "tollway.toml").write_text("".join(POOL.format(name=name) for name in names))

    def run(self, *words: str, **more: Any) -> Result:
        place = ("--data-dir", str(self.folder), "--config", str(self.folder / "tollway.toml"))
        return CliRunner().invoke(root, [*place, "accounts", *words], catch_exceptions=False, **more)

    def rows(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def credentials(self, value: Any = CREDENTIALS) -> str:
        path = self.folder / "credentials.json"
        path.write_text(json.dumps(value))
        return str(path)

    @property
    def file(self) -> Path:
        return self.folder / "claude_accounts.json"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_account_is_imported_listed_disabled_and_enabled(desk: Desk) -> None:
    assert desk.rows("list") == []
    (made,) = desk.rows("import", desk.credentials(), "--id", "ann", "--label", "of Ann")
    assert (made["pool"], made["id"], made["label"], made["state"]) == ("claude", "ann", "of Ann", "active")
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    assert desk.rows("disable", "ann")["state"] == "disabled"
    assert [row["state"] for row in desk.rows("list")] == ["disabled"]
    assert desk.rows("enable", "ann")["state"] == "active"
    told = desk.run("list").output
    assert "ann" in told
    assert "active" in told


def test_nothing_that_is_printed_holds_a_token(desk: Desk) -> None:
    outputs = [desk.run("import", desk.credentials(), "--id", "ann").output]
    outputs += [desk.run(*words, *more).output for words in (["list"], ["disable", "ann"]) for more in ([], ["--json"])]
    assert not [text for text in outputs if "secret" in text]


def test_a_revoked_account_comes_back_with_new_tokens(desk: Desk) -> None:
    desk.file.write_text(state_file(Subscriber("ann"), state="revoked", revoke_reason="invalid_grant: gone"))
    (row,) = desk.rows("list")
    assert (row["state"], row["revoke_reason"]) == ("revoked", "invalid_grant: gone")
    (row,) = desk.rows("import", desk.credentials(), "--id", "ann")
    assert (row["state"], row["revoke_reason"], row["generation"]) == ("active", "", 1)
    assert json.loads(desk.file.read_bytes())["accounts"][0]["refresh_token"] == "rt-secret"


def test_states_and_failures_are_shown_as_they_are_now(desk: Desk) -> None:
    past, future = {"cooldown_until": 1_000}, {"cooldown_until": 4_000_000_000_000}
    for fields, state, probation in ((past, "active", True), (future, "cooldown", False)):
        desk.file.write_text(state_file(Subscriber("ann"), state="cooldown", consecutive_failures=3, **fields))
        (row,) = desk.rows("list")
        assert (row["state"], row["probation"]) == (state, probation)
        assert row["consecutive_failures"] == (0 if probation else 3)


def test_the_same_tokens_under_another_name_are_the_same_account(desk: Desk) -> None:
    desk.rows("import", desk.credentials(), "--id", "ann")
    (row,) = desk.rows("import", desk.credentials())
    assert row["id"] == "ann"
    assert len(desk.rows("list")) == 1


def test_credentials_may_come_by_the_input(desk: Desk) -> None:
    done = desk.run("import", "-", "--id", "ann", input=json.dumps(CREDENTIALS))
    assert done.exit_code == 0
    assert [row["id"] for row in desk.rows("list")] == ["ann"]


def test_with_several_pools_the_pool_is_named_or_found(desk: Desk) -> None:
    desk.pools("one", "two")
    assert desk.run("import", desk.credentials()).exit_code == 2
    desk.rows("import", desk.credentials(), "--pool", "two", "--id", "ann")
    assert desk.rows("disable", "ann")["pool"] == "two"
    assert [row["pool"] for row in desk.rows("list")] == ["two"]
    assert desk.rows("list", "--pool", "one") == []
    other = {"claudeAiOauth": {"accessToken": "x", "refreshToken": "y"}}
    desk.rows("import", desk.credentials(other), "--pool", "one", "--id", "ann")
    assert "say --pool" in desk.run("enable", "ann").output
    assert desk.rows("enable", "ann", "--pool", "two")["state"] == "active"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["disable", "nobody"], 3),
        (["enable", "nobody"], 3),
        (["list", "--pool", "nobody"], 3),
        (["import", "no-such-file"], 2),
    ],
)
def test_what_is_not_there_is_told_by_the_exit_code(desk: Desk, words: list[str], code: int) -> None:
    assert desk.run(*words).exit_code == code


def test_a_torn_file_is_recovered_and_both_torn_is_an_error_that_touches_nothing(desk: Desk) -> None:
    desk.rows("import", desk.credentials(), "--id", "ann")
    desk.file.write_text('{"version": 2, "acc')
    assert [row["id"] for row in desk.rows("list")] == ["ann"]
    backup = desk.folder / "claude_accounts.json.bak"
    desk.file.write_text('{"to')
    backup.write_text('{"rn')
    for words in (["list"], ["disable", "ann"], ["import", desk.credentials(), "--id", "bob"]):
        done = desk.run(*words)
        assert done.exit_code == 4
        assert "nothing was overwritten" in done.output
    assert (desk.file.read_text(), backup.read_text()) == ('{"to', '{"rn')


def test_version_1_is_brought_forward(desk: Desk) -> None:
    row = {"id": "ann", "access_token": "a", "refresh_token": "r", "expires_at": 4_000_000_000_000}
    desk.file.write_text(json.dumps({"accounts": [{**row, "enabled": False}]}))
    assert [row["state"] for row in desk.rows("list")] == ["disabled"]
    assert json.loads(desk.file.read_bytes())["version"] == 2


def test_without_a_pool_the_command_says_what_to_state(desk: Desk) -> None:
    desk.pools()
    assert desk.rows("list") == []
    done = desk.run("import", desk.credentials())
    assert done.exit_code == 2
    assert "[accounts.<name>]" in done.output


def test_the_doctor_says_how_many_accounts_can_be_used(desk: Desk) -> None:
    def told() -> dict[str, Any]:
        place = ("--data-dir", str(desk.folder), "--config", str(desk.folder / "tollway.toml"))
        done = CliRunner().invoke(root, [*place, "doctor", "--json"])
        rows = json.loads(done.stdout)
        assert [row["message"][:6] for row in rows if row["what"] == "channel claude"] == ["claude"]  # it is not called
        return next(row for row in rows if row["what"] == "accounts claude")

    assert (told()["level"], told()["message"]) == ("warn", "0 of 0 accounts can be used now")
    desk.rows("import", desk.credentials(), "--id", "ann")
    assert (told()["level"], told()["message"]) == ("ok", "1 of 1 accounts can be used now")
    desk.file.write_text("{")
    (desk.folder / "claude_accounts.json.bak").write_text("{")
    assert told()["level"] == "error"


SETTINGS = [
    ('provider = "openai"', "accounts.claude.provider: no provider of accounts"),
    ('client_id = ""', "accounts.claude.client_id: must not be empty"),
    ('token_url = "ftp://x"', "accounts.claude.token_url: must be http"),
    ('key = "sk"', "accounts.claude.key: has no place here"),
    ('tokenurl = "http://x"', "unknown field"),
    ("cooldown_s = 0", "accounts.claude.cooldown_s"),
    ('fallback_key_env = "NOT_SET_ANYWHERE"', "the variable NOT_SET_ANYWHERE is not set"),
    ('fallback_base_url = "x"', "accounts.claude.fallback_base_url"),
    ('query = "a b"', "accounts.claude.query"),
]


@pytest.mark.parametrize(("line", "words"), SETTINGS)
def test_a_setting_that_cannot_be_used_is_named_with_its_line(desk: Desk, line: str, words: str) -> None:
    name = line.partition(" ")[0]
    kept = [each for each in POOL.format(name="claude").splitlines() if not each.startswith(f"{name} ")]
    (desk.folder / "tollway.toml").write_text("\n".join([*kept, line]))
    done = desk.run("list")
    assert done.exit_code == 2
    assert words in done.output
    assert "tollway.toml:" in done.output


def test_accounts_are_no_channels_with_keys(desk: Desk) -> None:
    (desk.folder / "tollway.toml").write_text('[[channels]]\nid = "x"\nprovider = "claude_subscription"\nkey = "k"\n')
    assert "state them as [accounts.<name>]" in desk.run("list").output


def test_a_pool_is_a_channel_of_the_file_which_nothing_stored_replaces(desk: Desk) -> None:
    def channels(*words: str) -> Result:
        place = ("--data-dir", str(desk.folder), "--config", str(desk.folder / "tollway.toml"))
        return CliRunner().invoke(root, [*place, "channels", *words])

    refused = channels("add", "mine", "--provider", "claude_subscription", "--key", "at-secret")
    assert (refused.exit_code, "state them as [accounts.<name>]" in refused.output) == (2, True)
    channels("add", "claude", "--provider", "openai", "--key", "sk-test")
    (row,) = [row for row in json.loads(channels("list", "--json").stdout) if row["id"] == "claude"]
    assert (row["provider"], row["source"]) == ("claude_subscription", "file")
    tested = channels("test", "claude")
    assert (tested.exit_code, "tollway accounts list" in tested.output) == (1, True)
