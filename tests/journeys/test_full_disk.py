"""The disk is full: callers are answered or told so, nothing that was answered is lost, and room brings all back.

A full disk is played by a limit on the size of every file the gateway writes: the system then refuses each write beyond
it, as it would without room.
"""

import http.client
import json
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.journeys.crowd import left
from tests.journeys.hub import Hub

CREDITS = 1_000
AT_ONCE = 4
FULL_BYTES = 64 << 10
"""Less than the database's own files, and than a new piece of the journal."""
MOST_CALLS = 30_000
ENOUGH_REFUSED = 20
QUESTION = "x" * 40


class Callers:
    """Several at once, each on a connection of his own; what each call came to."""

    def __init__(self, hub: Hub, key: str) -> None:
        self._hub, self._key = hub, key
        self.answered: list[str] = []
        self.refused: list[tuple[int, dict[str, str], Any]] = []
        self._begun = 0

    def until(self, enough: Callable[[], bool]) -> None:
        """Ask until it is enough, or until it should have been."""
        threads = [threading.Thread(target=self._one, args=(enough,)) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

    def _one(self, enough: Callable[[], bool]) -> None:
        line = http.client.HTTPConnection(urlsplit(self._hub.url).netloc, timeout=30)
        body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 50})
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        while not enough() and self._begun < MOST_CALLS:
            self._begun += 1
            line.request("POST", "/v1/chat/completions", body, headers)
            answer = line.getresponse()
            told = json.loads(answer.read())
            if answer.status == 200:
                self.answered.append(str(answer.headers["x-request-id"]))
            else:
                named = {name.lower(): value for name, value in answer.headers.items()}
                self.refused.append((answer.status, named, told))
        line.close()


@pytest.fixture
def hub(start: Callable[..., Hub]) -> Iterator[Hub]:
    made = start()
    yield made
    if made.process is not None:
        room(made)


def full(hub: Hub) -> None:
    """From now on nothing can be written beyond the first pages of a file."""
    assert hub.process is not None
    _, most = resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, most))


def room(hub: Hub) -> None:
    """Somebody has tidied up."""
    assert hub.process is not None
    _, most = resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (most, most))


def charged(hub: Hub) -> dict[str, int]:
    """What the books say each call was charged."""
    months = [table for table in hub.tables() if table.startswith("receipts_")]
    return {call: charge for table in months for call, charge in hub.rows(f"SELECT call_id, charge FROM {table}")}


def test_a_full_disk_loses_nothing_and_says_what_is_the_matter_until_there_is_room(hub: Hub) -> None:
    _, key = hub.user(CREDITS)
    callers = Callers(hub, key)
    callers.until(lambda: len(callers.answered) >= 50)
    full(hub)
    callers.until(lambda: len(callers.refused) >= ENOUGH_REFUSED)
    assert len(callers.refused) >= ENOUGH_REFUSED
    for status, headers, told in callers.refused:
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        assert "credit" not in json.dumps(told)
    room(hub)
    before = len(callers.answered)
    callers.until(lambda: len(callers.answered) >= before + 20)
    balance = left(hub, key)
    assert set(callers.answered) <= set(charged(hub))
    full(hub)
    refused = len(callers.refused)
    callers.until(lambda: len(callers.refused) >= refused + ENOUGH_REFUSED)
    hub.stop(signal.SIGKILL)
    hub.start()
    assert left(hub, key) <= balance
    books = charged(hub)
    assert set(callers.answered) <= set(books)
    assert all(books[call] > 0 for call in callers.answered)
    assert CREDITS * 1_000_000 - sum(books.values()) == left(hub, key)
    assert hub.audit() == []
