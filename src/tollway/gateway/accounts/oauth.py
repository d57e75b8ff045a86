"""Renews an account's tokens: one request to the token address that the operator has stated."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from tollway.gateway.accounts.account import Account, Grant
from tollway.gateway.remedy import masked
from tollway.kit.http1.tunnel import through
from tollway.kit.http1.wire import Outbound, UpstreamError
from tollway.kit.sendable import is_sendable
from tollway.ports import Upstream

MOST_ANSWER = 1 << 20
USUAL_LIFE_S = 3600.0
"""How long a token lives that comes without `expires_in`."""
REASON_MAX = 200


class Revoked(Exception):
    """`invalid_grant`: the refresh token is honoured no more. Its text is the reason, without secrets."""


class NotRenewed(Exception):
    """It did not work this time; it may the next."""


class TokenAddress(NamedTuple):
    """Where and as whom tokens are renewed; both from the operator."""

    url: str
    client_id: str
    timeout_s: float = 20.0
    proxy: str = ""
    """Through which it is reached, as the accounts' own calls are."""


async def renew(account: Account, address: TokenAddress, upstream: Upstream, now_s: float) -> Grant:
    """New tokens for the account. Raises Revoked, NotRenewed."""
    try:
        inbound = await upstream.send(_question(account, address))
        try:
            status, data = inbound.status, await inbound.read()
        finally:
            inbound.close()
    except UpstreamError as error:
        raise NotRenewed(f"the token address could not be reached ({error.phase})") from error
    told = _told(data)
    if status != 200:
        raise _failure(status, told, account)
    return _grant(told, now_s)


def _question(account: Account, address: TokenAddress) -> Outbound:
    parts = urlsplit(address.url)
    query = f"?{parts.query}" if parts.query else ""
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": account.refresh_token,
        "client_id": address.client_id,
    }
    return Outbound(
        origin=through(f"{parts.scheme}://{parts.netloc}", address.proxy),
        target=f"{parts.path or '/'}{query}".encode(),
        headers=((b"content-type", b"application/json"), (b"accept", b"application/json")),
        body=msgspec.json.encode(fields),
        connect_timeout_s=address.timeout_s,
        first_byte_timeout_s=address.timeout_s,
        idle_timeout_s=address.timeout_s,
        total_timeout_s=address.timeout_s,
        max_body=MOST_ANSWER,
    )


def _told(data: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _failure(status: int, told: dict[str, Any], account: Account) -> Exception:
    """RFC 6749 says `error` is a word; some vendors make it an object that holds the word."""
    error = told.get("error")
    words = [error.get(name) for name in ("type", "code", "error")] if isinstance(error, dict) else [error]
    said = told.get("error_description") or (error.get("message") if isinstance(error, dict) else "")
    if "invalid_grant" in words and status < 500:
        why = masked(str(said or "").replace(account.refresh_token, "[token]"))[:REASON_MAX]
        return Revoked(f"invalid_grant: {why}" if why else "invalid_grant")
    return NotRenewed(f"the token address answered {status}")


def _grant(told: dict[str, Any], now_s: float) -> Grant:
    token, renewal, life_s = told.get("access_token"), told.get("refresh_token") or "", told.get("expires_in")
    if not isinstance(token, str) or not token or not is_sendable(token) or not isinstance(renewal, str):
        raise NotRenewed("the token address answered without a token")
    if isinstance(life_s, str) and life_s.isdecimal():
        life_s = int(life_s)
    if not isinstance(life_s, int | float) or isinstance(life_s, bool) or not 0 < life_s < 1e10:
        life_s = USUAL_LIFE_S
    return Grant(
        token,
        renewal,
        int((now_s + life_s) * 1000),
        _inside(told, "organization", "uuid"),
        _inside(told, "account", "email_address"),
    )


def _inside(told: dict[str, Any], name: str, field: str) -> str:
    value = told.get(name)
    found = value.get(field) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
