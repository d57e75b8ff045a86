"""The way to the control plane: who is asking goes along, and the framework is loaded when somebody first asks."""

import importlib
from collections.abc import Callable

from tollway.core.errors import TollwayError
from tollway.gateway.auth.credential import carriers_of, credential
from tollway.gateway.auth.identify import KeyRing
from tollway.kit.http1.asgi import App, Message, Receive, Send, asgi_handler
from tollway.kit.http1.wire import Handler, Request, Sink
from tollway.kit.uuid7 import uuid7

PUBLIC = frozenset({"/openapi.json"})


class ControlPlane:
    """A Handler that begins as a promise: FastAPI and its kin cost time and memory that the relay does not need."""

    def __init__(self, keys: KeyRing, build: Callable[[], App]) -> None:
        self._keys, self._build = keys, build
        self._handle: Handler | None = None

    async def handle(self, request: Request, sink: Sink) -> None:
        """Answer one request of the control plane."""
        if self._handle is None:
            self._handle = asgi_handler(self._named(self._build()))
        await self._handle(request, sink)

    def _named(self, app: App) -> App:
        async def with_caller(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope.setdefault("state", {}).update(await self._who(scope))
            await app(scope, receive, send)

        return with_caller

    async def _who(self, scope: Message) -> Message:
        state: Message = {"request_id": "req_" + uuid7()}
        query = scope.get("query_string", b"").decode("latin-1")
        raw = credential(dict(scope["headers"]), query, carriers_of(scope["path"]))
        peer = (scope.get("client") or ("",))[0]
        try:
            state["caller"] = await self._keys.identify(raw, peer)
        except TollwayError as error:
            state["refusal"] = error
        return state


def load(module: str, name: str) -> Callable[..., App]:
    """A function found when it is needed, not when this module is: what it imports is dear."""
    found: Callable[..., App] = getattr(importlib.import_module(module), name)
    return found
