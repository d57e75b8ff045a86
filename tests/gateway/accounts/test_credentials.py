"""What an operator may bring: our own JSON of both versions, and what the vendors' tools keep."""

import base64
import json
from typing import Any

import pytest

from tollway.core.errors import BadRequest
from tollway.gateway.accounts.credentials import CLAUDE, CODEX, read_credentials

NOW = 1_800_000_000_000
ROW = {"id": "ann", "access_token": "at-secret", "refresh_token": "rt-secret", "expires_at": NOW + 5}
CLAUDE_FILE = {
    "claudeAiOauth": {
        "accessToken": "at-secret", "refreshToken": "rt-secret", "expiresAt": NOW + 5, "scopes": ["user:inference"],
        "subscriptionType": "max",
    }
}  # fmt: skip


def jwt(**claims: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.c2ln"


CODEX_FILE = {
    "OPENAI_API_KEY": None,
    "tokens": {
        "id_token": jwt(email="ann@test.example", **{"https://api.openai.com/auth": {"chatgpt_plan_type": "plus"}}),
        "access_token": jwt(exp=NOW // 1000 + 60),
        "refresh_token": "rt-secret",
        "account_id": "acc-1",
    },
    "last_refresh": "2026-11-21T00:00:00Z",
}


def read(value: Any, provider: str = CLAUDE, name: str = "") -> Any:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_credentials(data, provider, NOW, name)


def test_the_claude_tools_file() -> None:
    (one,) = read(CLAUDE_FILE, name="mine")
    assert (one.id, one.access_token, one.refresh_token) == ("mine", "at-secret", "rt-secret")
    assert (one.expires_at, one.plan) == (NOW + 5, "max")
    assert read(CLAUDE_FILE)[0].id == read(CLAUDE_FILE)[0].id != ""


def test_the_codex_tools_file() -> None:
    (one,) = read(CODEX_FILE, CODEX)
    assert (one.id, one.email, one.account_id, one.plan) == ("ann@test.example", "ann@test.example", "acc-1", "plus")
    assert one.expires_at == (NOW // 1000 + 60) * 1000


def test_a_token_that_does_not_say_when_it_ends_is_renewed_first() -> None:
    tokens = {**CODEX_FILE["tokens"], "access_token": "opaque", "id_token": "x"}  # type: ignore[dict-item]
    (one,) = read({"tokens": tokens}, CODEX)
    assert (one.expires_at, one.id) == (NOW, "acc-1")


@pytest.mark.parametrize(
    "value",
    [
        {"version": 2, "accounts": [ROW]},
        {"accounts": [{**ROW, "enabled": False}]},
        [ROW],
        ROW,
        {**ROW, "state": "revoked", "revoke_reason": "x"},
    ],
)
def test_our_own_shapes_and_what_is_brought_is_active(value: Any) -> None:
    (one,) = read(value)
    assert (one.id, one.state.value) == ("ann", "active")


def test_one_account_without_an_id_gets_one() -> None:
    (one,) = read({name: value for name, value in ROW.items() if name != "id"})
    assert one.id.startswith("account-")


@pytest.mark.parametrize(
    ("value", "provider", "words"),
    [
        (b"{", CLAUDE, "not JSON"),
        (b"\xff", CLAUDE, "not JSON"),
        ({}, CLAUDE, "no credentials"),
        ({"accounts": []}, CLAUDE, "no account"),
        ({"accounts": [{"id": "a"}]}, CLAUDE, "has no access_token"),
        ({"version": 9, "accounts": []}, CLAUDE, "no credentials"),
        (CODEX_FILE, CLAUDE, "credentials for codex_subscription"),
        (CLAUDE_FILE, CODEX, "credentials for claude_subscription"),
        ({"claudeAiOauth": {"accessToken": "a"}}, CLAUDE, "no refresh_token"),
        ({"claudeAiOauth": {"accessToken": 5, "refreshToken": "b"}}, CLAUDE, "no access_token"),
        ({"claudeAiOauth": {"accessToken": "a\nb", "refreshToken": "b"}}, CLAUDE, "no header can carry"),
        ({"claudeAiOauth": {"accessToken": "a", "refreshToken": "b", "expiresAt": "x"}}, CLAUDE, "expires_at"),
        ({**ROW, "id": "x" * 200}, CLAUDE, "id"),
    ],
)
def test_what_is_no_credentials_is_refused_in_words_without_a_secret(value: Any, provider: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        read(value, provider)
    assert "secret" not in str(refused.value)


def test_an_id_can_be_given_to_one_account_only() -> None:
    with pytest.raises(BadRequest, match="2 accounts"):
        read([ROW, {**ROW, "id": "bob"}], name="mine")
