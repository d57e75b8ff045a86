"""The loops beside the calls: heartbeats, expiring holds, noting when keys were used."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

from tollway.core.errors import TollwayError

log = logging.getLogger("tollway.worker")


class Worker:
    """Runs small jobs on timers until it is stopped."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def every(
        self, seconds: float, name: str, job: Callable[[], Awaitable[None] | None], at_once: bool = False
    ) -> None:
        """Run `job` again and again with a pause of `seconds`; an expected failure is logged and tried again.

        `at_once`: the first run does not wait for the first pause.
        """
        self._tasks.append(asyncio.create_task(_repeat(seconds, name, job, at_once), name=name))

    def once(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run `job` beside everything else, now; a failure is logged."""
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(_try(name, job), name=name))

    async def stop(self) -> None:
        """End every loop and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def _repeat(seconds: float, name: str, job: Callable[[], Awaitable[None] | None], at_once: bool) -> None:
    pause_s = 0.0 if at_once else seconds
    while True:
        await asyncio.sleep(pause_s)
        pause_s = seconds
        await _try(name, job)


async def _try(name: str, job: Callable[[], Awaitable[None] | None]) -> None:
    try:
        waiting = job()
        if waiting is not None:
            await waiting
    except (TollwayError, OSError) as error:
        log.warning("%s failed and will be tried again: %s", name, error)
    except Exception as error:  # noqa: BLE001  # a mistake of ours in one round must not end the loop for all
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s failed and will be tried again: %s\n%s", name, type(error).__name__, where)
