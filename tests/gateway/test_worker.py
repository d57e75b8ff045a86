"""The loops beside the calls."""

import asyncio
import logging

import pytest

from tollway.core.errors import Unavailable
from tollway.gateway.worker import Worker


async def until(ready: object) -> None:
    for _ in range(400):
        if ready():  # type: ignore[operator]
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("error", [Unavailable("the database is away"), OSError("disk"), KeyError("secret sk-1234567")])
async def test_a_loop_outlives_whatever_its_job_throws(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def job() -> None:
        runs.append(1)
        raise error

    worker = Worker()
    with caplog.at_level(logging.WARNING):
        worker.every(0.001, "a job", job)
        await until(lambda: len(runs) > 2)
    await worker.stop()
    assert "a job failed" in caplog.text and "sk-1234567" not in caplog.text


async def test_stopping_waits_for_the_job_to_put_its_things_in_order() -> None:
    told: list[str] = []

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("tidy")

    worker = Worker()
    worker.every(0.0, "a job", job)
    await asyncio.sleep(0.01)
    await worker.stop()
    assert told == ["tidy"]


async def test_a_job_may_be_a_plain_function() -> None:
    runs: list[int] = []
    worker = Worker()
    worker.every(0.001, "count", lambda: runs.append(1))
    await until(lambda: len(runs) > 1)
    await worker.stop()
    ended = len(runs)
    await asyncio.sleep(0.01)
    assert len(runs) == ended >= 2, "a stopped worker runs nothing more"


async def test_a_job_may_begin_at_once() -> None:
    worker, ran = Worker(), asyncio.Event()
    worker.every(3600, "a job", ran.set, at_once=True)
    await asyncio.wait_for(ran.wait(), 5)
    await worker.stop()
