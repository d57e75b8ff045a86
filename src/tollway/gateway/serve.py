"""Runs a hub until it is told to stop: binds the port, prints what a newcomer needs, drains, closes."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tollway.gateway.admin.first_run import first_run, welcome
from tollway.gateway.app import Hub, tls_of
from tollway.gateway.refusals import refusal_of, screen_of
from tollway.kit.http1.server import Listen, bind, serve
from tollway.settings import Settings

SWITCH_S = 0.001
"""How long the thread that writes the books may keep the interpreter while calls wait for it."""
GC_EVERY = 50_000
"""Allocations between two looks of the garbage collector: what was there at the start is never looked at again."""

log = logging.getLogger("tollway.serve")


def run(settings: Settings, again: Callable[[], Settings] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; the process's exit code. `again` reads the settings anew, at SIGHUP."""
    logging.basicConfig(
        level=settings.server.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    factory = _loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_serve(settings, again))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, the standard loop elsewhere."""
    try:
        import uvloop  # noqa: PLC0415 - an optional dependency
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, again: Callable[[], Settings] | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, _stopper(stop))
    server = settings.server
    sock = bind(Listen(host=server.host, port=server.port))
    url = url_of(settings, sock)
    hub = Hub(settings)
    try:
        await hub.start()
        if again is not None:
            loop.add_signal_handler(signal.SIGHUP, _restater(hub, again))
        first = await first_run(hub.database, hub.ledger, settings.data_dir, url, hub.newcomers())
        drain = await _listen(hub, sock)
        print(welcome(first) if first else f"Tollway answers at {url}", flush=True)  # noqa: T201
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_EVERY)
        await stop.wait()
        log.info("stopping: calls in flight have %g s to finish", server.drain_s)
        hub.draining = True
        await drain(server.drain_s)
    finally:
        await hub.close()
    return 0


def _stopper(stop: asyncio.Event) -> Callable[[], None]:
    """The first signal stops gently, the second at once: the journal keeps what was settled."""

    def told() -> None:
        if stop.is_set():
            os._exit(130)  # an exit that unwinds would wait for books whose writer it has just cancelled
        stop.set()

    return told


def _restater(hub: Hub, again: Callable[[], Settings]) -> Callable[[], None]:
    """Take up the channels that file and environment state by now; what is wrong with them changes nothing."""

    def told() -> None:
        try:
            hub.restate(again())
        except ValueError as error:
            log.error("the settings are not taken up: %s", error)
        else:
            log.info("the channels are as the settings state them now; other settings need a new start")

    return told


async def _listen(hub: Hub, sock: socket.socket) -> Callable[[float], Awaitable[None]]:
    """Answer on `sock`; returns how to stop."""
    settings, handler = hub.settings, hub.front.handle
    refuse, screen = refusal_of(hub.front), screen_of(hub.front)
    if settings.server.front == "http1":
        running = await serve(
            handler,
            listen=Listen(sock=sock, tls=tls_of(settings)),
            limits=settings.limits,
            refuse=refuse,
            screen=screen,
        )
        return running.drain
    return await _listen_asgi(hub, sock)


async def _listen_asgi(hub: Hub, sock: socket.socket) -> Callable[[float], Awaitable[None]]:
    """The same handler behind uvicorn, for those who want a stock server."""
    import uvicorn  # noqa: PLC0415 - not needed by the default front

    from tollway.kit.http1.asgi_front import AsgiFront  # noqa: PLC0415

    class Uvicorn(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Signals are ours: uvicorn would raise them again once it had stopped, and we take a second for haste."""
            yield

    settings = hub.settings
    app = AsgiFront(hub.front.handle, settings.limits, refusal_of(hub.front), screen_of(hub.front))
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", timeout_keep_alive=int(settings.limits.idle_timeout_s),
        ssl_certfile=settings.server.tls_cert or None, ssl_keyfile=settings.server.tls_key or None,
    )  # fmt: skip
    server = Uvicorn(config)
    config.load()  # what cannot be loaded, such as a certificate, is told now
    running = asyncio.create_task(server.serve(sockets=[sock]))

    async def drain(grace_s: float) -> None:
        server.should_exit = True
        await asyncio.wait([running], timeout=grace_s)
        server.force_exit = True
        await app.cut()
        await running

    return drain


def url_of(settings: Settings, sock: socket.socket) -> str:
    """The address a person would type."""
    host, port = sock.getsockname()[:2]
    scheme = "https" if settings.server.tls_cert else "http"
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"
