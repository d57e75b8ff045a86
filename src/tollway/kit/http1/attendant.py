"""Runs the requests of one connection, one after the other, in one task."""

import asyncio
import sys
from collections.abc import Callable
from typing import Protocol

from tollway.kit.http1.sink import ServerSink
from tollway.kit.http1.wire import Handler, Request


class House(Protocol):
    """The server a connection belongs to."""

    handler: Handler
    loop: asyncio.AbstractEventLoop
    running: set[ServerSink]

    def failed(self, sink: ServerSink, task: "asyncio.Task[None]") -> None:
        """The handler did not come to a good end."""


class Attendant:
    """A task that waits between requests: cheaper than a task for each. The context of the first is that of all."""

    __slots__ = ("_house", "_next", "_rest", "_sink", "_task")

    def __init__(self, house: House, rest: Callable[["Attendant"], bool]) -> None:
        """`rest` is asked after every answer whether there may be more to do for this one."""
        self._house = house
        self._rest = rest
        self._next: asyncio.Future[Request | None] | None = None
        self._sink: ServerSink
        self._task: asyncio.Task[None] | None = None

    def serve(self, request: Request, sink: ServerSink) -> None:
        """Run the handler for one request; to be called again only when it rests."""
        self._sink = sink
        self._house.running.add(sink)
        waiter = self._next
        if waiter is not None:
            self._next = None
            sink.task = self._task
            waiter.set_result(request)
            return
        task = sink.task = self._task = start_task(self, request)
        if task.done():
            self._over(task)
        else:
            task.add_done_callback(self._over)

    def dismiss(self) -> None:
        """No more requests."""
        waiter = self._next
        if waiter is not None:
            self._next = None
            waiter.set_result(None)

    async def run(self, request: Request | None) -> None:
        """The task: a request, and the next one."""
        house = self._house
        while request is not None:
            sink = self._sink
            await house.handler(request, sink)
            request = None  # it may be large, and the wait for the next one long
            if not sink.done:
                return
            house.running.discard(sink)
            if not self._rest(self):
                return
            waiter = self._next = house.loop.create_future()
            request = await waiter

    def _over(self, task: "asyncio.Task[None]") -> None:
        sink = self._sink
        self._house.running.discard(sink)
        if not sink.done or task.cancelled() or task.exception() is not None:
            self._house.failed(sink, task)


def start_task(attendant: Attendant, request: Request) -> "asyncio.Task[None]":
    """Start the attendant: its first step runs here and now on Python 3.12 and later."""
    loop, work = attendant._house.loop, attendant.run(request)
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)
