"""The epoch across hosts: PostgreSQL tells every gateway at once, and silence counts as news."""

import asyncio
import contextlib
import logging
import time
from itertools import count

import psycopg

from tollway.backends.sql.postgresql import EPOCH_CHANNEL

log = logging.getLogger(__name__)
LOOK_S = 1.0
"""So often the true number is read as well: a line may be dead without telling, and a pooler forwards nothing."""
ANSWER_S = 2.0
SILENT_S = 3.0
"""A server that restarts has so much time to come back before all that is remembered is doubted."""
DOUBT_S = 0.05
"""From then on nothing is remembered for longer."""
PAUSES_S = (0.02, 1.0)
TRUE_NUMBER = b"SELECT value FROM counters WHERE name = 'epoch'"


class Announcements:
    """Counts what it hears. The number means nothing by itself: another one means that something changed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._number = 0
        self._true: int | None = None
        self._heard_at_s = time.monotonic()
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def read(self) -> int:
        """The number now."""
        self._wanted = True
        return self._number

    def committed(self, announced: int) -> None:
        """A change of our own is known here before the server's word of it arrives."""
        self._true = announced
        self._number += 1

    def listen(self) -> None:
        """Begin to hear of others, once somebody has asked for the number."""
        if self._wanted and self._task is None:
            self._heard_at_s = time.monotonic()
            self._task = asyncio.create_task(self._stay_tuned(), name="announcements")

    async def close(self) -> None:
        """Hear no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _stay_tuned(self) -> None:
        doubt = asyncio.create_task(self._doubt(), name="doubt")
        try:
            for failures in count(1):
                try:
                    await self._hear()
                except (psycopg.Error, TimeoutError, OSError) as error:
                    log.warning("what other gateways announce is not heard: %s", error)
                await asyncio.sleep(min(PAUSES_S[0] * 2 ** min(failures, 10), PAUSES_S[1]))
        finally:
            doubt.cancel()

    async def _hear(self) -> None:
        """Connect, and listen for as long as the line holds."""
        async with asyncio.timeout(ANSWER_S * 2):
            line = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        try:
            async with asyncio.timeout(ANSWER_S):
                await line.execute(f"LISTEN {EPOCH_CHANNEL}".encode())
            while True:
                async with asyncio.timeout(ANSWER_S):
                    row = await (await line.execute(TRUE_NUMBER)).fetchone()
                self._heard(row[0] if row else 0)
                async for told in line.notifies(timeout=LOOK_S):
                    self._heard(int(told.payload))
        finally:
            with contextlib.suppress(psycopg.Error, OSError):
                await line.close()

    def _heard(self, true: int) -> None:
        self._heard_at_s = time.monotonic()
        if true != self._true:
            self._true = true
            self._number += 1

    async def _doubt(self) -> None:
        """While nothing is heard, anything may have changed."""
        while True:
            silent_s = time.monotonic() - self._heard_at_s
            if silent_s > SILENT_S:
                self._number += 1
            await asyncio.sleep(max(DOUBT_S, SILENT_S - silent_s))
