"""The command line of plans, budgets, organisations and vouchers: what it prints, and the code it leaves with."""

import os
from pathlib import Path

import pytest

from tests.test_cli import NOT_FOUND, OK, USAGE, WRONG, Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in [name for name in os.environ if name.startswith("TOLLWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path / "data")
    shell("users", "add", "ada@example.com", "--plan", "free", "--budget", "50/week")
    return shell


def test_plans_are_listed_with_what_the_operator_changed(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "tollway.toml").write_text("[plans.team]\nmonthly_credits = 7\n")
    told = shell("plans")
    assert told.exit_code == OK
    assert told.stdout.splitlines()[0].split()[:2] == ["NAME", "MONTHLY"]
    assert [line.split()[0] for line in told.stdout.splitlines()[1:]] == ["none", "free", "guru", "pro", "team"]
    (tmp_path / "tollway.toml").write_text("[plans.team]\nmonthly_credits = -7\n")
    told = shell("plans")
    assert told.exit_code == USAGE
    assert "tollway.toml:2: plans.team.monthly_credits" in told.stderr


def test_a_user_has_a_plan_and_budgets_and_both_change(shell: Shell) -> None:
    ada = shell.json("users", "show", "ada@example.com")
    assert (ada["plan"], ada["balance"]["by_source"]["plan"]) == ("free", 500.0)
    assert [(one["amount"], one["period"], one["spent"]) for one in ada["budgets"]] == [(50.0, "week", 0.0)]
    ada = shell.json("users", "set", "ada@example.com", "--plan", "pro", "--no-budget", "--strict")
    assert (ada["plan"], ada["budgets"], ada["strict"]) == ("pro", [], True)
    ada = shell.json("users", "set", "ada@example.com", "--plan", "guru", "--budget", "9/day@Asia/Tokyo")
    assert (ada["plan"], ada["next_plan"], ada["budgets"][0]["tz"]) == ("pro", "guru", "Asia/Tokyo")
    ada = shell.json("users", "set", "ada@example.com", "--plan", "guru", "--at-once")
    assert (ada["plan"], ada["balance"]["by_source"]["plan"]) == ("guru", 10_000.0)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("users", "set", "ada@example.com"), USAGE, "say what to change"),
        (("users", "set", "ada@example.com", "--plan", "gold"), USAGE, "no plan 'gold'"),
        (("users", "add", "bob@example.com", "--plan", "gold"), USAGE, "no plan 'gold'"),
        (("users", "set", "eve@example.com", "--plan", "pro"), NOT_FOUND, "no user"),
        (("users", "set", "ada@example.com", "--organisation", "Red"), NOT_FOUND, "no organisation"),
        (("keys", "add", "ada@example.com", "--budget", "1/day@Mars/Base"), USAGE, "no time zone 'Mars/Base'"),
        (("keys", "add", "ada@example.com", "--budget", "1e99/day"), USAGE, "is no budget"),
        (("keys", "add", "ada@example.com", "--budget", "99999999999/day"), USAGE, "amount must be from 0"),
        (("keys", "add", "ada@example.com", "--budget", "1/day", "--budget", "2/day"), USAGE, "one budget for each"),
        (("users", "set", "ada@example.com", "--budget", "1", "--no-budget"), USAGE, "exclude each other"),
        (("users", "credit", "ada@example.com", "-501", "--reason", "r", "--kind", "promo"), USAGE, "taken back"),
        (("users", "credit", "ada@example.com", "5", "--reason", " "), USAGE, "reason must be 1 to 500"),
        (("users", "credit", "ada@example.com", "5", "--reason", "\udcff"), USAGE, "reason must be readable"),
        (("ledger", "statement", "ada@example.com", "--from", "2030-01-03", "--to", "2030-01-01"), USAGE, "--from"),
        (("vouchers", "create", "0"), USAGE, "credits must be more than 0"),
        (("vouchers", "create", "5", "--expires", "soon"), USAGE, "is no time"),
        (("vouchers", "disable", "NONE-SUCH"), NOT_FOUND, "no such voucher"),
        (("ledger", "refund", "req_none", "--reason", "r"), NOT_FOUND, "no receipt"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(shell: Shell, words: tuple[str, ...], code: int, told: str) -> None:
    result = shell(*words)
    assert result.exit_code == code, result.output
    assert told in result.output


def test_a_key_is_made_with_budgets_and_changed(shell: Shell) -> None:
    made = shell.json("keys", "add", "ada@example.com", "--budget", "100/day@Europe/Berlin", "--model", "echo")
    assert [(one["amount"], one["period"], one["tz"], one["left"]) for one in made["budgets"]] == [
        (100.0, "day", "Europe/Berlin", 100.0)
    ]
    changed = shell.json("keys", "set", made["key_id"], "--budget", "5", "--parallel-calls", "3")
    assert [(one["amount"], one["period"]) for one in changed["budgets"]] == [(5.0, "total")]
    assert changed["limits"] == {"parallel_calls": 3, "models": ["echo"]}
    listed = next(key for key in shell.json("keys", "list", "ada@example.com") if key["key_id"] == made["key_id"])
    assert (listed["budgets"], listed["limits"]) == (changed["budgets"], changed["limits"])
    assert shell("keys", "set", made["key_id"]).exit_code == USAGE
    shell("keys", "revoke", made["key_id"])
    assert shell("keys", "set", made["key_id"], "--budget", "6").exit_code == NOT_FOUND


def test_organisations_are_made_filled_and_bounded(shell: Shell) -> None:
    made = shell.json("organisations", "create", "Blue Team", "--budget", "20000/month")
    assert shell("organisations", "create", "Blue Team").exit_code == WRONG
    joined = shell.json("organisations", "add", "Blue Team", "ada@example.com")
    assert joined["organisation_id"] == made["id"]
    assert [one["members"] for one in shell.json("organisations", "list")] == [1]
    assert [user["email"] for user in shell.json("organisations", "users", made["id"])] == ["ada@example.com"]
    assert shell.json("organisations", "set", "Blue Team", "--no-budget")["budgets"] == []
    assert shell.json("organisations", "remove", "Blue Team", "ada@example.com")["organisation_id"] is None
    assert shell("organisations", "remove", "Blue Team", "ada@example.com").exit_code == NOT_FOUND


def test_vouchers_are_made_listed_and_disabled(shell: Shell) -> None:
    wish = ("--code", "spring", "--max", "3", "--expires", "2099-06-01", "--note", "the fair")
    made = shell.json("vouchers", "create", "12.5", *wish)
    assert (made["code"], made["credits"], made["status"]) == ("SPRING", 12.5, "active")
    assert made["expires_at"] == "2099-06-01T00:00:00.000Z"
    assert shell("vouchers", "create", "1", "--code", "SPRING").exit_code == WRONG
    assert shell.json("vouchers", "disable", "Spring")["status"] == "disabled"
    assert [one["code"] for one in shell.json("vouchers", "list")] == ["SPRING"]
