"""A stand-in for a vendor of subscriptions: an OAuth token address, and the wires its accounts may speak.

Faithful where it hurts: a refresh token is good once, its successor comes with the answer, and a used one is
`invalid_grant`.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.mocks.anthropic import app as anthropic_app
from tests.mocks.exchange import MockAnswer, MockRequest

TOKEN_PATH = "/oauth/token"
CLIENT_ID = "operator-client"
App = Callable[[MockRequest], MockAnswer]


@dataclass
class Subscriber:
    """One account at the vendor's."""

    name: str
    number: int = 0
    """Of the tokens it has now."""
    ends: bool = False
    """Its grant was taken back: every refresh is `invalid_grant`."""
    says: list[MockAnswer] = field(default_factory=list)
    """What its next calls are answered instead."""
    always: MockAnswer | None = None
    calls: int = 0
    refreshes: int = 0
    """That were granted."""

    @property
    def access(self) -> str:
        """The token that calls may use now."""
        return f"at-{self.name}-{self.number}"

    @property
    def refresh(self) -> str:
        """The token that brings the next ones."""
        return f"rt-{self.name}-{self.number}"


class Vendor:
    """Give `app` to a MockServer. Everything may be looked at and changed while it runs."""

    def __init__(
        self,
        *names: str,
        wire: App = anthropic_app,
        life_s: int = 3600,
        refuse: Callable[..., MockAnswer] | None = None,
        paid: str = "",
    ) -> None:
        """`refuse` makes the error of a token that is not good; `paid` is the authorization of a paying customer."""
        self.subscribers = {name: Subscriber(name) for name in names}
        self.wire, self.life_s = wire, life_s
        self._refuse, self._paid = refuse or refusal, paid
        self.asked = 0
        """Requests at the token address, granted or not."""
        self.refuses: list[MockAnswer] = []
        """What the token address answers next, instead."""
        self._ended: set[str] = set()
        self.lock = threading.Lock()

    def __getitem__(self, name: str) -> Subscriber:
        return self.subscribers[name]

    @property
    def refreshes(self) -> int:
        """Granted in all."""
        return sum(one.refreshes for one in self.subscribers.values())

    def forget_tokens(self, *names: str) -> None:
        """Access tokens end before their time, as if revoked at the vendor's; the refresh tokens stay good."""
        with self.lock:
            for name in names or self.subscribers:
                self._ended.add(self.subscribers[name].access)

    def app(self, request: MockRequest) -> MockAnswer:
        """Answer one request."""
        with self.lock:
            if request.path == TOKEN_PATH:
                return self._token(request)
            return self._call(request)

    def _token(self, request: MockRequest) -> MockAnswer:
        self.asked += 1
        if request.demand:
            return MockAnswer.of_json({"error": "server_error"}, request.demand)
        if self.refuses:
            return self.refuses.pop(0)
        asked = request.json
        if request.method != "POST" or asked.get("grant_type") != "refresh_token":
            return MockAnswer.of_json({"error": "unsupported_grant_type"}, 400)
        if asked.get("client_id") != CLIENT_ID:
            return MockAnswer.of_json({"error": "invalid_client"}, 401)
        found = [one for one in self.subscribers.values() if one.refresh == asked.get("refresh_token")]
        if not found or found[0].ends:
            why = "Refresh token not found or invalid"
            return MockAnswer.of_json({"error": "invalid_grant", "error_description": why}, 400)
        one = found[0]
        one.number += 1
        one.refreshes += 1
        return MockAnswer.of_json(
            {
                "access_token": one.access,
                "refresh_token": one.refresh,
                "expires_in": self.life_s,
                "token_type": "bearer",
                "organization": {"uuid": f"org-{one.name}"},
                "account": {"email_address": f"{one.name}@test.example"},
            }
        )

    def _call(self, request: MockRequest) -> MockAnswer:
        credential = request.headers.get("authorization", "")
        if request.headers.get("x-api-key") or credential == self._paid:
            return self.wire(request)
        token = credential.removeprefix("Bearer ")
        found = [one for one in self.subscribers.values() if one.access == token and token not in self._ended]
        if not found:
            return self._refuse(401, "OAuth token has expired")
        one = found[0]
        one.calls += 1
        if one.says:
            return one.says.pop(0)
        return one.always or self.wire(request)


def refusal(status: int, message: str = "refused", **headers: str) -> MockAnswer:
    """The vendor's error, in the words of the Messages dialect."""
    kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(status, "api_error")
    value = {"type": "error", "error": {"type": kind, "message": message}}
    return MockAnswer.of_json(value, status, {name.replace("_", "-"): text for name, text in headers.items()})


def state_file(*subscribers: Subscriber, expires_at: int = 4_000_000_000_000, **fields: Any) -> str:
    """A state file that holds these accounts, with the tokens they have now."""
    rows = [
        {"id": one.name, "access_token": one.access, "refresh_token": one.refresh, "expires_at": expires_at} | fields
        for one in subscribers
    ]
    return json.dumps({"version": 2, "accounts": rows})
