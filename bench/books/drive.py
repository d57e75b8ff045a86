"""Makes the story's calls, so many at a time, whatever becomes of the gateways meanwhile."""

import asyncio
import sys
import time
from collections.abc import Iterator

from bench.books.caller import Line, Seen, place, request_of
from bench.books.fleet import Gateway
from bench.books.stage import Payer
from bench.books.story import Call, Story
from bench.books.torment import KEPT_BACK, Tormentor

WAIT_S = 60.0
"""How long a call waits for any gateway to take connections."""
SAY_EVERY = 2_000
BACK_OFF_S = 1.0
"""What a caller waits after he was told to come back later."""


class Driver:
    """All the callers."""

    def __init__(self, story: Story, payers: list[Payer], hubs: list[Gateway], tormentor: Tormentor) -> None:
        self._story, self._payers, self._hubs, self._tormentor = story, payers, hubs, tormentor
        self._idle: dict[tuple[int, int], list[Line]] = {}
        self._calls = iter(story.calls)
        self._begun = 0
        self.seen: list[Seen] = []

    async def run(self, at_once: int) -> None:
        """Make all calls. Raises what made the torment fail."""
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._work(self._calls))
        for lines in self._idle.values():
            for line in lines:
                line.close()

    async def _work(self, calls: Iterator[Call]) -> None:
        for call in calls:
            if self._tormentor.failure is not None:
                raise self._tormentor.failure
            self._begun += 1
            self._tormentor.begun(self._begun)
            if self._begun > len(self._story.calls) - KEPT_BACK:
                await self._tormentor.going_on.wait()
            if self._begun % SAY_EVERY == 0:
                print(f"  … {self._begun:,} calls begun; {dict(self._tormentor.done)}", file=sys.stderr, flush=True)
            await self._make(call)

    async def _make(self, call: Call) -> None:
        hub, life, line = await self._line(call)
        seen = Seen(call.number, hub.number, life, time.time())
        self.seen.append(seen)
        key = self._payers[call.account].key
        if await place(call, request_of(call, key, hub.port), line, seen):
            self._idle.setdefault((hub.number, life), []).append(line)
        else:
            line.close()
        if seen.status == 503:
            await asyncio.sleep(BACK_OFF_S)

    async def _line(self, call: Call) -> tuple[Gateway, int, Line]:
        """A connection to the call's gateway in its present life, or to another one when that is down."""
        deadline = time.monotonic() + WAIT_S
        while True:
            for turn in range(len(self._hubs)):
                hub = self._hubs[(call.number + turn) % len(self._hubs)]
                life = hub.life
                line = await self._to(hub, call) if hub.up else None
                if line is not None and hub.up and hub.life == life:
                    return hub, life, line
            if time.monotonic() > deadline:
                raise RuntimeError("no gateway takes connections")
            await asyncio.sleep(0.02)

    async def _to(self, hub: Gateway, call: Call) -> Line | None:
        """A kept connection or a new one; None when it takes none."""
        idle = self._idle.get((hub.number, hub.life))
        if idle and call.number % 4:
            return idle.pop()
        try:
            return await Line.to(hub.port)
        except OSError:
            return None
