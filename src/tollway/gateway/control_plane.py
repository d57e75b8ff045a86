"""The way to the control plane: who is asking goes along, and the framework is loaded in a quiet second."""

import asyncio
import importlib
import time
from collections.abc import Callable

from tollway.core.errors import TollwayError
from tollway.gateway.auth.credential import carriers_of, credential
from tollway.gateway.auth.identify import KeyRing
from tollway.gateway.metrics.tally import OTHER, Tally
from tollway.kit.http1.asgi import App, Message, Receive, Send, asgi_handler
from tollway.kit.http1.wire import Handler, Request, Sink
from tollway.kit.uuid7 import uuid7

QUIET_S = 0.01
"""Seconds of work between two looks, up to which nothing is going on."""
PUBLIC = frozenset({"/openapi.json"})


class ControlPlane:
    """A Handler that begins as a promise: FastAPI and its kin cost time that the start and the relay can do without."""

    def __init__(self, keys: KeyRing, build: Callable[[], App], tally: Tally | None = None) -> None:
        """`tally` counts the requests."""
        self._keys, self._build, self._tally = keys, build, tally
        self._handle: Handler | None = None
        self._loading = asyncio.Lock()
        self._busy_s = time.process_time()

    async def handle(self, request: Request, sink: Sink) -> None:
        """Answer one request of the control plane."""
        await (self._handle or await self._load())(request, sink)

    async def load_when_quiet(self) -> None:
        """Load what the first request would have to wait for, if this process did nothing since we last looked."""
        before, self._busy_s = self._busy_s, time.process_time()
        if self._handle is None and self._busy_s - before < QUIET_S:
            await self._load()

    async def _load(self) -> Handler:
        """Beside the loop: calls in flight go on meanwhile."""
        async with self._loading:
            if self._handle is None:
                self._handle = asgi_handler(self._named(await asyncio.to_thread(self._build)))
        return self._handle

    def _named(self, app: App) -> App:
        async def with_caller(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope.setdefault("state", {}).update(await self._who(scope))
            await (
                app(scope, receive, send) if self._tally is None else _counted(app, scope, receive, send, self._tally)
            )

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


async def _counted(app: App, scope: Message, receive: Receive, send: Send, tally: Tally) -> None:
    """Run `app`, and count what it answered under the path as the route states it, whatever ids it was asked with."""
    began_s, status = time.monotonic(), 0

    async def heard(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        await send(message)

    try:
        await app(scope, receive, heard)
    finally:
        route = getattr(scope.get("route"), "path", OTHER)
        if status:
            tally.request(route, scope["method"], status, time.monotonic() - began_s)
        if status == 401 and isinstance(refusal := scope["state"].get("refusal"), TollwayError):
            tally.refused(route, refusal)


def load(module: str, name: str) -> Callable[..., App]:
    """A function found when it is needed, not when this module is: what it imports is dear."""
    found: Callable[..., App] = getattr(importlib.import_module(module), name)
    return found
