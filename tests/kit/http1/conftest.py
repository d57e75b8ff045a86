"""Every test of the wire runs on both event loops, and must leave no error behind in the loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine, for 20 s at most."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def go(work: Coroutine[Any, Any, None]) -> None:
        complaints: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: note(context, complaints))
            runner.run(bounded(work))
        assert not complaints

    return go


def note(context: dict[str, Any], complaints: list[dict[str, Any]]) -> None:
    """Python 3.11's own streams complain when a scripted peer is cancelled with its loop: that is no fault of ours."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        complaints.append(context)


async def bounded(work: Coroutine[Any, Any, None]) -> None:
    """Nothing may hang."""
    async with asyncio.timeout(20):
        await work
