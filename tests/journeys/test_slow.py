"""Slow providers keep their callers' connections warm; slow callers cost no memory, and the slowest are cut."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
from google import genai

from tests.journeys.callers import ANTHROPIC, CALLERS, GEMINI, OPENAI, Caller, newcomer
from tests.journeys.hub import Hub, NewDatabase
from tests.journeys.stage import Stage, staged
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.server import MockServer

QUICK = """
[server]
heartbeat_s = 0.2
[limits]
header_timeout_s = 0.5
body_timeout_s = 0.5
idle_timeout_s = 0.5
write_timeout_s = 1.0
"""
PINGS = {"openai": b": ping\n\n", "anthropic": b'event: ping\ndata: {"type": "ping"}\n\n', "gemini": b"\r\n\r\n"}
"""Google's own clients choke on comments, but skip empty events."""
SPEAKING = {"openai": 4, "anthropic": 5, "gemini": 2}
PAIRS = [(caller, vendor) for caller in CALLERS for vendor in CALLERS]
FRAMES, FRAME_WORDS = 1500, 4000


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("slow"), new_database(), QUICK) as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    """The stage; afterwards nothing waits any more."""
    yield opened
    opened.mend()


@pytest.mark.parametrize(("caller", "vendor"), PAIRS, ids=[f"{one.name}-from-{two.name}" for one, two in PAIRS])
def test_a_silent_stream_gets_signs_of_life_and_goes_on_unharmed(stage: Stage, caller: Caller, vendor: Caller) -> None:
    stage.mock(vendor).hold(after=SPEAKING[vendor.name])
    with caller.begin(stage.hub, stage.key, "one two three four five", stream=True, model=vendor.model) as running:
        running.until(b"You")
        pieces = [running.more() for _ in range(8)]
        assert PINGS[caller.name].replace(b" ", b"") in [piece.replace(b" ", b"") for piece in pieces]
        stage.mock(vendor).release()
        heard = running.rest()
    assert caller.is_whole(heard)
    assert caller.text(heard) == "You said: one two three four five"
    assert stage.receipt(heard)["reason"] == "completed"


def test_a_json_array_stays_valid_json_through_a_long_silence(stage: Stage) -> None:
    stage.mock(GEMINI).hold(after=2)
    with GEMINI.begin(stage.hub, stage.key, "one two three", stream=True, framing="array") as running:
        running.until(b"You")
        assert b"\n" in [running.more() for _ in range(5)]
        stage.mock(GEMINI).release()
        heard = running.rest()
    assert "".join(GEMINI._words(piece) for piece in json.loads(heard.raw)) == "You said: one two three"


def test_a_provider_that_lives_but_does_not_speak_holds_the_callers_connection(stage: Stage) -> None:
    stage.mock(OPENAI).hold(after=1)
    with OPENAI.begin(stage.hub, stage.key, "one two three", stream=True) as running:
        running.until(b": ping\n")
        assert b"You" not in running.said
        stage.mock(OPENAI).release()
        assert OPENAI.is_whole(running.rest())


def test_openais_client_does_not_mind(stage: Stage) -> None:
    client = openai.OpenAI(api_key=stage.key, base_url=f"{stage.hub.url}/v1", max_retries=0)
    asked = [{"role": "user", "content": "[[slow:350]] one two"}]
    chunks = client.chat.completions.create(model=OPENAI.model, messages=asked, stream=True)  # type: ignore[call-overload]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "You said: one two"


def test_anthropics_client_does_not_mind(stage: Stage) -> None:
    client = anthropic.Anthropic(api_key=stage.key, base_url=stage.hub.url, max_retries=0)
    asked = [{"role": "user", "content": "[[slow:350]] one two"}]
    with client.messages.stream(model=ANTHROPIC.model, max_tokens=100, messages=asked) as stream:  # type: ignore[arg-type]
        assert stream.get_final_text() == "You said: one two"


def test_googles_client_does_not_mind(stage: Stage) -> None:
    client = genai.Client(api_key=stage.key, http_options={"base_url": stage.hub.url})
    chunks = client.models.generate_content_stream(model=GEMINI.model, contents="[[slow:350]] one two")
    assert "".join(chunk.text or "" for chunk in chunks) == "You said: one two"


def torrent(request: MockRequest) -> MockAnswer:
    """Some 30 MB of answer: more than all the buffers on its way."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"index": 0, "delta": {"content": "word " * FRAME_WORDS}, "finish_reason": None}
    frame = f"data: {json.dumps({**head, 'choices': [delta]})}\n\n".encode()
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    end = f"data: {json.dumps({**head, 'choices': [last]})}\n\n".encode()
    return MockAnswer.of_stream([frame] * FRAMES + [end, b"data: [DONE]\n\n"])


def resident(hub: Hub) -> int:
    """Bytes of memory that the gateway holds."""
    assert hub.process is not None
    lines = Path(f"/proc/{hub.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def raw_socket(hub: Hub, sent: bytes) -> socket.socket:
    """A client with little buffer of its own."""
    place = urlsplit(hub.url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
    client.settimeout(20)
    client.connect((place.hostname, place.port))
    client.sendall(sent)
    return client


def question(hub: Hub, key: str, caller: Caller, stream: bool) -> bytes:
    """A whole request."""
    body = json.dumps(caller.body("go on", stream, None)).encode()
    return (
        f"POST {caller.path(stream)} HTTP/1.1\r\nhost: {urlsplit(hub.url).netloc}\r\nauthorization: Bearer {key}\r\n"
        f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def stalled(request: MockRequest) -> int:
    """Pieces sent when no more went out for half a second."""
    sent, since, deadline = -1, time.monotonic(), time.monotonic() + 15
    while time.monotonic() - since < 0.5:
        assert time.monotonic() < deadline, "the provider was never paused"
        if request.pieces_sent != sent:
            sent, since = request.pieces_sent, time.monotonic()
        time.sleep(0.02)
    return sent


def drained(client: socket.socket) -> bytes:
    """Everything until the gateway closes; a cut is an end too."""
    said = b""
    try:
        while piece := client.recv(1 << 20):
            said += piece
    except ConnectionError:
        pass
    return said


def test_a_caller_who_does_not_read_pauses_the_provider_and_costs_no_memory(start: Callable[..., Hub]) -> None:
    with MockServer(torrent) as mock:
        hub = start({"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{mock.url}/v1"})
        key = newcomer(hub, 10**6)[1]
        before = resident(hub)
        with raw_socket(hub, question(hub, key, OPENAI, True)) as client:
            while not mock.requests:
                time.sleep(0.005)
            assert stalled(mock.requests[0]) < FRAMES
            assert resident(hub) - before < 12 * 2**20
            said = drained(client)
        assert said.count(b"word " * FRAME_WORDS) == FRAMES
        assert said.rstrip().endswith(b"data: [DONE]\n\n\r\n0")
        assert mock.requests[0].pieces_sent == FRAMES + 2
        assert hub.audit() == []


def test_a_caller_who_never_reads_is_cut_and_his_provider_freed(start: Callable[..., Hub]) -> None:
    with MockServer(torrent) as mock:
        hub = start({"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{mock.url}/v1"}, QUICK)
        user, key = newcomer(hub, 10**6)
        with raw_socket(hub, question(hub, key, OPENAI, True)) as client:
            while not mock.requests:
                time.sleep(0.005)
            mock.requests[0].wait_aborted(10)
            assert b"[DONE]" not in drained(client)
        told = hub.ask("/me", key=key)[2]
        assert told["balance"]["held"] == 0
        assert 0 < told["balance"]["credits"] < 10**6
        assert hub.audit() == []
        assert user


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_body_that_never_comes_whole_is_refused_in_the_callers_dialect(stage: Stage, caller: Caller) -> None:
    before = stage.asked()
    with raw_socket(stage.hub, question(stage.hub, stage.key, caller, False)[:-5]) as client:
        said = drained(client)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert "did not arrive in time" in json.loads(said.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert stage.asked() == before


def test_a_head_that_drips_is_cut(stage: Stage) -> None:
    with raw_socket(stage.hub, b"POST /v1/chat/comp") as client:
        since = time.monotonic()
        said = b""
        client.settimeout(0.1)
        while not said and time.monotonic() - since < 10:
            client.sendall(b"l")
            try:
                said = client.recv(65536)
            except TimeoutError:
                continue
    assert said.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - since < 5


def test_a_connection_that_asks_nothing_is_closed(stage: Stage) -> None:
    with raw_socket(stage.hub, b"GET /health HTTP/1.1\r\nhost: h\r\n\r\n") as client:
        assert drained(client).startswith(b"HTTP/1.1 200 ")
    with raw_socket(stage.hub, b"") as client:
        assert drained(client) == b""
