"""A gateway that is told to stop finishes what it began, within bounds; told twice, it stops at once."""

import http.client
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.journeys.callers import CALLERS, GEMINI, OPENAI, Heard, Running, newcomer
from tests.journeys.crowd import Books, left
from tests.journeys.hub import Hub, Providers, providers

TEXT = "one two three four five six seven eight nine ten"
SPEAKING = {"openai": 4, "anthropic": 5, "gemini": 2}


@pytest.fixture(scope="module")
def opened() -> Iterator[Providers]:
    with providers() as running:
        yield running


@pytest.fixture
def vendors(opened: Providers) -> Iterator[Providers]:
    """The vendors; afterwards nothing waits."""
    yield opened
    opened.mend()


def until_logged(hub: Hub, words: str, patience_s: float = 10.0) -> None:
    """Wait until the gateway has said so."""
    deadline = time.monotonic() + patience_s
    while words not in (hub.folder / "serve.log").read_text():
        assert time.monotonic() < deadline, f"the gateway never said {words!r}"
        time.sleep(0.005)


def all_asking(hub: Hub, key: str, vendors: Providers) -> list[Running]:
    """A stream and a whole answer of every vendor, in flight and waiting."""
    running = []
    for caller in CALLERS:
        mock = getattr(vendors, caller.name)
        mock.hold(after=SPEAKING[caller.name])
        running.append(caller.begin(hub, key, TEXT, stream=True))
        running[-1].until(b"You")
        running.append(caller.begin(hub, key, TEXT))
        deadline = time.monotonic() + 10
        while mock.open_connections < 2:
            assert time.monotonic() < deadline
            time.sleep(0.002)
    return running


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_calls_in_flight_are_finished_and_settled(
    start: Callable[..., Hub], vendors: Providers, how: signal.Signals
) -> None:
    hub = start(vendors.environ)
    user, key = newcomer(hub, 1000)
    running = all_asking(hub, key, vendors)
    idle = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
    idle.request("GET", "/health")
    assert idle.getresponse().read()
    assert hub.process is not None
    hub.process.send_signal(how)
    until_logged(hub, "stopping: calls in flight")
    with pytest.raises(OSError):
        OPENAI.ask(hub, key, "too late")
    for mock in (vendors.openai, vendors.anthropic, vendors.gemini):
        mock.release()
    heard: list[Heard] = [one.rest() for one in running]
    assert hub.process.wait(20) == 0
    for one, said in zip([caller for caller in CALLERS for _ in range(2)], heard, strict=True):
        assert one.is_whole(said), said.raw
    books = Books(hub, user)
    assert dict.fromkeys((said.id for said in heard), "completed") == books.reasons
    assert all(books.charges.values())
    hub.stop(signal.SIGKILL)
    assert hub.audit() == []
    assert list((hub.folder / "journal").iterdir()) == []


def test_what_does_not_finish_in_time_is_cut_and_charged_for_what_was_said(
    start: Callable[..., Hub], vendors: Providers
) -> None:
    hub = start(vendors.environ, "[server]\ndrain_s = 0.5\n")
    user, key = newcomer(hub, 1000)
    running = all_asking(hub, key, vendors)
    since = time.monotonic()
    assert hub.stop(signal.SIGTERM) == 0
    assert time.monotonic() - since < 10
    heard = [one.rest() for one in running[::2]]
    for caller, said in zip(CALLERS, heard, strict=True):
        assert not caller.is_whole(said)
    for one in running[1::2]:
        with pytest.raises((OSError, http.client.HTTPException)):
            one.rest()
    assert hub.audit() == []
    books = Books(hub, user)
    assert books.count == 6
    assert all(books.charges[said.id] > 0 for said in heard)
    assert sum(charge == 0 for charge in books.charges.values()) == 3


def test_told_twice_it_ends_at_once_and_the_next_start_puts_the_books_in_order(
    start: Callable[..., Hub], vendors: Providers
) -> None:
    hub = start(vendors.environ)
    user, key = newcomer(hub, 1000)
    done = OPENAI.ask(hub, key, TEXT)
    running = all_asking(hub, key, vendors)
    assert hub.process is not None
    hub.process.send_signal(signal.SIGTERM)
    until_logged(hub, "stopping: calls in flight")
    since = time.monotonic()
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(20) not in (0, None)
    assert time.monotonic() - since < 3
    for one in running:
        one.leave()
    hub.stop(signal.SIGKILL)
    assert "Traceback" not in (hub.folder / "serve.log").read_text()
    hub.start()
    assert left(hub, key) == 1000_000_000 - Books(hub, user).charged
    books = Books(hub, user)
    assert books.reasons.pop(done.id) == "completed"
    assert books.count == 7
    assert set(books.reasons.values()) <= {"expired", "client_gone"}
    assert hub.audit() == []


@pytest.mark.parametrize("in_time", [True, False], ids=["in time", "too late"])
def test_a_caller_who_had_left_is_settled_too(start: Callable[..., Hub], vendors: Providers, in_time: bool) -> None:
    """His provider bills to the end, so it is read on: to its own count while there is time, else to what was said."""
    hub = start(vendors.environ, "" if in_time else "[server]\ndrain_s = 0.5\n")
    user, key = newcomer(hub, 1000)
    vendors.gemini.hold(after=SPEAKING["gemini"])
    running = GEMINI.begin(hub, key, TEXT, stream=True)
    running.until(b"You")
    call = running.headers["x-request-id"]
    running.leave()
    assert hub.process is not None
    hub.process.send_signal(signal.SIGTERM)
    until_logged(hub, "stopping: calls in flight")
    if in_time:
        vendors.gemini.release()
    assert hub.process.wait(20) == 0
    hub.stop(signal.SIGKILL)
    assert Books(hub, user).reasons == {call: "client_gone"}
    assert Books(hub, user).charges[call] > 0
    assert hub.audit() == []
    hub.start()
    receipt = hub.receipt(call, key)
    assert receipt["tokens"]["source"] == ("upstream" if in_time else "estimate")
    assert receipt["note"].startswith("drained:" if in_time else "drained in part")
