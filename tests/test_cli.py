"""The command line: what it prints, and the code it leaves with."""

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tollway.cli.root import COMMANDS, root

OK, WRONG, USAGE, NOT_FOUND, UNREACHABLE = 0, 1, 2, 3, 4


class Shell:
    """Runs commands on one data folder, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(root, ["--data-dir", str(self.folder), *words], prog_name="tollway")

    def json(self, *words: str) -> Any:
        result = self(*words[:2], "--json", *words[2:])
        assert result.exit_code == OK, result.output
        return json.loads(result.stdout)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in [
        name for name in os.environ if name.startswith("TOLLWAY_") or name.endswith(("_API_KEY", "_BASE_URL"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path / "data")


def test_a_user_is_made_shown_credited_and_listed(shell: Shell) -> None:
    made = shell.json("users", "create", "Ada@Example.com", "--credits", "12.5")
    assert re.fullmatch(r"inf_[A-Za-z0-9_-]{43}", made["api_key"])
    assert made["user_id"].startswith("usr_")
    assert made["credits"] == 12.5
    granted = shell.json("users", "grant", "ada@example.com", "0.000001", "--reason", "a nano-dollar")
    assert granted["balance"]["nano_usd"] == 12_500_001
    taken = shell.json("users", "grant", made["user_id"], "-2.5", "--reason", "too much")
    assert taken["balance"]["nano_usd"] == 10_000_001
    shown = shell.json("users", "show", made["user_id"])
    assert shown["email"] == "ada@example.com"
    assert shown["balance"]["by_source"]["promo"] == pytest.approx(10.000001)
    assert shell.json("ledger", "balance", "ada@example.com")["nano_usd"] == 10_000_001
    assert [user["id"] for user in shell.json("users", "list")] == [made["user_id"]]


def test_a_grant_with_a_reference_happens_once(shell: Shell) -> None:
    shell("users", "create", "ada@example.com")
    words = ("users", "grant", "ada@example.com", "5", "--reason", "r", "--reference", "invoice 7")
    assert shell.json(*words)["granted"] is True
    assert shell.json(*words)["granted"] is False
    assert shell.json("ledger", "balance", "ada@example.com")["credits"] == 5


def test_keys_are_made_listed_and_revoked(shell: Shell) -> None:
    shell("users", "create", "ada@example.com")
    wish = ("--requests-per-minute", "5", "--model", "gpt-*", "--model", "echo", "--days", "7", "--name", "ci")
    made = shell.json("keys", "create", "ada@example.com", *wish)
    assert made["limits"] == {"requests_per_minute": 5, "models": ["gpt-*", "echo"]}
    listed = shell.json("keys", "list", "ada@example.com")
    assert [key["name"] for key in listed] == ["ci", "Default"]
    assert made["api_key"] not in json.dumps(listed)
    assert shell("keys", "revoke", made["key_id"]).exit_code == OK
    assert [key["name"] for key in shell.json("keys", "list")] == ["Default"]
    assert [key["status"] for key in shell.json("keys", "list", "--all")] == ["revoked", "active"]
    assert shell("keys", "revoke", made["key_id"]).exit_code == NOT_FOUND


def test_only_an_administrator_gets_an_admin_key(shell: Shell) -> None:
    shell("users", "create", "ada@example.com")
    shell("users", "create", "root@example.com", "--admin")
    assert shell("keys", "create", "ada@example.com", "--admin").exit_code == WRONG
    assert shell.json("keys", "create", "root@example.com", "--admin")["scope"] == "admin"


def test_the_default_limits_of_the_settings_reach_a_new_key(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "tollway.toml").write_text("[keys]\nrequests_per_minute = 7\ndays = 0\n")
    made = shell.json("users", "create", "ada@example.com")
    (key,) = shell.json("keys", "list")
    assert key["key_id"] == made["key_id"]
    assert (key["limits"], key["expires_at"]) == ({"requests_per_minute": 7}, None)


def test_the_audit_exits_with_1_on_any_difference(shell: Shell) -> None:
    shell("users", "create", "ada@example.com", "--credits", "10")
    assert shell.json("ledger", "audit") == {"exact": True, "differences": []}
    with sqlite3.connect(shell.folder / "tollway.db") as books:
        books.execute("UPDATE accounts SET balance = balance + 1 WHERE kind = 'promo'")
    books.close()
    result = shell("ledger", "audit", "--json")
    assert result.exit_code == WRONG
    assert len(json.loads(result.stdout)["differences"]) == 1
    assert shell("ledger", "audit").exit_code == WRONG


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("users", "show", "nobody"), NOT_FOUND),
        (("ledger", "balance", "nobody"), NOT_FOUND),
        (("users", "grant", "nobody", "5", "--reason", "x"), NOT_FOUND),
        (("keys", "create", "nobody"), NOT_FOUND),
        (("keys", "revoke", "key_none"), NOT_FOUND),
        (("receipts", "show", "req_none"), NOT_FOUND),
        (("receipts", "show", "\x00"), NOT_FOUND),
        (("users", "create", "ada@example.com"), WRONG),
        (("users", "grant", "ada@example.com", "--reason", "x", "--", "-5"), USAGE),
        (("users", "create", "not an address"), USAGE),
        (("users", "create", "x@y.z", "--credits", "many"), USAGE),
        (("users", "create", "x@y.z", "--credits", "NaN"), USAGE),
        (("users", "create", "x@y.z", "--credits", "-1"), USAGE),
        (("users", "grant", "ada@example.com", "0", "--reason", "x"), USAGE),
        (("users", "grant", "ada@example.com", "5"), USAGE),
        (("keys", "create", "ada@example.com", "--requests-per-minute", "0"), USAGE),
        (("users",), USAGE),
        (("nonsense",), USAGE),
        (("--database-url", "mysql://x/y", "users", "list"), USAGE),
        (("--database-url", "nonsense", "users", "list"), USAGE),
        (("--database-url", "postgresql://127.0.0.1:1/none", "users", "list"), UNREACHABLE),
        (("--config", "nowhere.toml", "users", "list"), USAGE),
        (("--data-dir", "/dev/null/x", "users", "create", "x@y.z"), UNREACHABLE),
        (("--data-dir", "elsewhere", "users", "list"), UNREACHABLE),
        (("--data-dir", "elsewhere", "ledger", "audit"), UNREACHABLE),
    ],
)
def test_each_kind_of_failure_has_its_code_and_one_line(shell: Shell, words: tuple[str, ...], code: int) -> None:
    shell("users", "create", "ada@example.com")
    result = shell(*words)
    assert result.exit_code == code, (result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr
    assert not result.stdout
    if not result.stderr.startswith("Usage:"):
        assert result.stderr.startswith("tollway: ")
        assert result.stderr.count("\n") == 1


def test_a_file_that_is_no_database_cannot_be_opened(shell: Shell) -> None:
    shell.folder.mkdir()
    (shell.folder / "tollway.db").write_bytes(b"this is no database at all" * 100)
    result = shell("users", "list")
    assert result.exit_code == UNREACHABLE
    assert result.stderr.count("\n") == 1


def test_the_models_on_sale_are_listed_with_their_prices(shell: Shell) -> None:
    models = {model["id"]: model for model in shell.json("models")}
    assert len(models) == 25
    assert models["claude-haiku"]["cost_per_1k_input"] == pytest.approx(1.4)
    assert models["echo"]["served"] is True
    assert models["gpt-5.2"]["served"] is False
    assert shell("models").stdout.splitlines()[0].startswith("ID ")


def test_the_doctor_says_what_is_wrong(shell: Shell, tmp_path: Path) -> None:
    found = shell.json("doctor", "--offline")
    assert {"level", "what", "message", "where", "remedy"} == set(found[0])
    (tmp_path / "tollway.toml").write_text("[fallbacks]\nclaude-haiku = ['gpt-99']\n")
    result = shell("doctor", "--offline")
    assert result.exit_code == WRONG
    assert "gpt-99" in result.stdout


def test_every_command_explains_itself(shell: Shell) -> None:
    assert all(name in shell("--help").stdout for name in COMMANDS)
    for name in COMMANDS:
        assert shell(name, "--help").exit_code == OK


# ---------------------------------------------------------------- beside a running server


class Server:
    """A gateway in a process of its own."""

    def __init__(self, folder: Path) -> None:
        words = [sys.executable, "-m", "tollway", "--data-dir", str(folder), "serve", "--port", "0"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TOLLWAY_")}
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ)
        self.said = self._first_words()
        self.url = re.findall(r"http://[\d.:]+", self.said)[0]

    def _first_words(self) -> str:
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        said, deadline = b"", time.monotonic() + 30
        while b"http://" not in said or time.monotonic() < self._quiet_at:
            piece = self._process.stdout.read() or b""
            if piece:
                said += piece
                self._quiet_at = time.monotonic() + 0.3
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
        return said.decode()

    _quiet_at = 0.0

    def ask(self, path: str, key: str, body: Any = None, carrier: str = "x-api-key") -> tuple[int, Any]:
        headers = {carrier: key, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.headers = answer.headers
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            self.headers = error.headers
            return error.code, json.loads(error.read())

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


@pytest.fixture
def server(shell: Shell) -> Iterator[Server]:
    running = Server(shell.folder)
    yield running
    if running._process.poll() is None:
        running.stop()


QUESTION = {"model": "echo", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello!"}]}


def test_a_running_server_heeds_the_command_line_at_once(shell: Shell, server: Server) -> None:
    made = shell.json("users", "create", "ada@example.com", "--credits", "100")
    key = made["api_key"]
    assert server.ask("/v1/messages", key, QUESTION)[0] == 200
    assert server.ask("/me", key)[1]["user"]["email"] == "ada@example.com"
    shell("keys", "revoke", made["key_id"])
    status, body = server.ask("/v1/messages", key, QUESTION)
    assert (status, body["error"]["type"]) == (401, "authentication_error")
    assert server.ask("/me", key)[0] == 401


def test_limits_of_a_key_hold_in_the_server_and_its_receipts_can_be_shown(shell: Shell, server: Server) -> None:
    shell("users", "create", "ada@example.com", "--credits", "100")
    wish = ("--requests-per-minute", "2", "--model", "echo")
    key = shell.json("keys", "create", "ada@example.com", *wish)["api_key"]
    refused, body = server.ask("/v1/messages", key, QUESTION | {"model": "claude-haiku"})
    assert (refused, body["error"]["type"]) == (403, "permission_error")
    seen = []
    for _ in range(3):
        seen.append(server.ask("/v1/messages", key, QUESTION)[0])
        if seen[-1] == 200:
            name = server.headers["request-id"]
            assert server.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert seen == [200, 200, 429]
    assert 0 < int(server.headers["retry-after"]) <= 60
    own = server.ask(f"/v1/receipts/{name}", key)[1]
    deadline = time.monotonic() + 10
    while shell("receipts", "show", name).exit_code == NOT_FOUND and time.monotonic() < deadline:
        time.sleep(0.05)  # the server writes its books in batches
    shown = shell.json("receipts", "show", name)
    assert own["charge"] == shown["charge"]
    assert shown["charge"]["nano_usd"] > 0
    assert name in shell("receipts", "show", name).stdout


def test_the_first_start_tells_its_keys_once_and_the_printed_commands_work(shell: Shell, server: Server) -> None:
    told = json.loads((shell.folder / "first-run.json").read_text())
    assert told["url"] == server.url
    commands = [line for line in server.said.splitlines() if line.startswith("curl ")]
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *shlex.split(command)[1:]], capture_output=True)
        assert done.stdout.decode().endswith("200"), done
    assert server.ask("/admin/users", told["admin_key"])[0] == 200
    (audit, differences) = shell.json("ledger", "audit").values()
    assert audit and not differences
    assert server.stop() == 0
    second = Server(shell.folder)
    try:
        assert "inf_" not in second.said
        assert second.ask("/me", told["api_key"])[0] == 200
    finally:
        second.stop()


def test_a_second_server_on_the_same_folder_is_refused_in_one_line(shell: Shell, server: Server) -> None:
    words = [sys.executable, "-m", "tollway", "--data-dir", str(shell.folder), "serve", "--port", "0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == UNREACHABLE
    assert done.stderr.splitlines()[-1].startswith("tollway: ")
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_in_one_line(shell: Shell, server: Server, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    words = [sys.executable, "-m", "tollway", "--data-dir", str(tmp_path / "other"), "serve", "--port", port]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == UNREACHABLE
    assert "Traceback" not in done.stderr
