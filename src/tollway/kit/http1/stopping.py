"""Stops handlers that are still at work when their time is up."""

import asyncio
from collections.abc import Iterable

TOLD_ONCE_S = 0.1
"""How long a handler has, before it is told again, to end by itself."""


async def stop_all(handlers: Iterable["asyncio.Future[None]"], within_s: float | None) -> None:
    """Cancel them and wait, `within_s` seconds at most; None: as long as it takes.

    A handler may take its first cancellation for its caller's leaving, and have something to finish: it is told twice.
    """
    left = set(handlers)
    for patience_s in (TOLD_ONCE_S, within_s):
        for handler in left:
            handler.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=patience_s)
