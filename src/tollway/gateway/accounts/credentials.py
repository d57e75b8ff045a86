"""Reads the file of credentials that an operator brings: our own, or one that a vendor's tool has written."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from tollway.core.errors import BadRequest
from tollway.gateway.accounts.account import Account, State
from tollway.gateway.accounts.document import ID_MAX, Document, Foreign, Torn, checked, millis

CLAUDE, CODEX = "claude_subscription", "codex_subscription"
KNOWN_SHAPES = 'our own ({"version": 2, "accounts": [...]}, or one account), claudeAiOauth, tokens'


def read_credentials(data: bytes, provider: str, now: int, name: str = "") -> list[Account]:
    """The accounts in a file, as new; `now` in Unix milliseconds stands for the end of a token that names none.

    `name`: the id of the account, of a file that holds one. Raises BadRequest saying what is wrong, never quoting it.
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("the file is not JSON") from error
    found = _of_tool(value, provider, now) if isinstance(value, dict) else None
    accounts = _own(data, value) if found is None else [found]
    if name:
        if len(accounts) > 1:
            raise BadRequest(f"the file holds {len(accounts)} accounts; an id can be given to one only")
        accounts = [msgspec.structs.replace(one, id=name) for one in accounts]
    for one in accounts:
        try:
            checked(one)
        except ValueError as error:
            raise BadRequest(str(error)) from error
    return accounts


def _own(data: bytes, value: Any) -> list[Account]:
    """Our own shape: a whole state file of either version, or one row of it."""
    if isinstance(value, dict) and "access_token" in value:
        value = {"id": _name_of(value)} | value
        data = msgspec.json.encode({"version": 2, "accounts": [value]})
    try:
        document = Document.read(data)
    except (Torn, Foreign) as error:
        raise BadRequest(f"the file is no credentials: known are {KNOWN_SHAPES}") from error
    if document.skipped:
        raise BadRequest("; ".join(document.skipped))
    if not document.accounts:
        raise BadRequest("the file holds no account")
    return [msgspec.structs.replace(one, state=State.ACTIVE) for one in document.accounts.values()]


def _of_tool(value: Mapping[str, Any], provider: str, now: int) -> Account | None:
    """What a vendor's own tool has kept; None when it is none of those."""
    kind, oauth = next(
        ((kind, value[name]) for name, kind in _SHAPES.items() if isinstance(value.get(name), dict)), ("", {})
    )
    if not kind:
        return None
    if kind != provider:
        raise BadRequest(f"these are credentials for {kind}, and the pool is of {provider}")
    read = _claude if kind == CLAUDE else _codex
    fields = {name: text for name, text in read(oauth).items() if text}
    for needed in ("access_token", "refresh_token"):
        if not isinstance(fields.get(needed), str):
            raise BadRequest(f"the file holds no {needed}")
    fields.setdefault("expires_at", now)
    fields["expires_at"] = _moment(fields["expires_at"])
    return msgspec.convert({"id": _name_of(fields)} | fields, Account)


_SHAPES = {"claudeAiOauth": CLAUDE, "tokens": CODEX}


def _claude(oauth: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "access_token": oauth.get("accessToken"),
        "refresh_token": oauth.get("refreshToken"),
        "expires_at": oauth.get("expiresAt"),
        "plan": _text(oauth.get("subscriptionType")),
    }


def _codex(tokens: Mapping[str, Any]) -> dict[str, Any]:
    about = _claims(tokens.get("id_token"))
    auth = about.get("https://api.openai.com/auth")
    auth = auth if isinstance(auth, dict) else {}
    return {
        "access_token": tokens.get("access_token"),
        "refresh_token": tokens.get("refresh_token"),
        "expires_at": _claims(tokens.get("access_token")).get("exp"),
        "account_id": _text(tokens.get("account_id")) or _text(auth.get("chatgpt_account_id")),
        "email": _text(about.get("email")),
        "plan": _text(auth.get("chatgpt_plan_type")),
    }


def _claims(token: Any) -> Mapping[str, Any]:
    """What a signed token says of itself; nobody's word is taken for it here, so the signature is not looked at."""
    if not isinstance(token, str) or token.count(".") != 2:
        return {}
    part = token.split(".")[1]
    try:
        value = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _moment(value: Any) -> int:
    try:
        return millis(value)
    except ValueError as error:
        raise BadRequest(str(error)) from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name_of(fields: Mapping[str, Any]) -> str:
    """An id for an account that has none: its e-mail or the vendor's name for it, else a digest."""
    for name in ("email", "account_id", "organization_id", "label"):
        found = fields.get(name)
        if isinstance(found, str) and 0 < len(found) <= ID_MAX and found.isascii() and found.isprintable():
            return found.replace(" ", "-")
    return "account-" + hashlib.sha256(str(fields.get("refresh_token")).encode("utf-8", "replace")).hexdigest()[:8]
