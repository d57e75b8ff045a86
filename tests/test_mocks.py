"""The mocks must fail exactly as told, or the journeys prove nothing."""

import http.client
import time
from collections.abc import Iterator

import pytest

from tests.mocks.script import PNG, Medium, Question, ToolSaid, instance, pieces, play
from tests.mocks.server import Fault, Kind, MockAnswer, MockRequest, MockServer

STREAM = [b"data: 1\n\n", b"data: 2\n\n"]


def app(request: MockRequest) -> MockAnswer:
    if request.demand:
        return MockAnswer.of_json({"error": {"code": request.demand}}, request.demand)
    return MockAnswer.of_stream(STREAM) if request.path == "/stream" else MockAnswer.of_json({"path": request.path})


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer(app) as running:
        yield running


def ask(server: MockServer, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=0.5)
    try:
        connection.request("POST", path, b"{}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_one_connection_carries_many_requests(server: MockServer) -> None:
    connection = http.client.HTTPConnection(server.host, server.port)
    for path in ("/a", "/stream", "/b?key=1"):
        connection.request("POST", path, b'{"x": 1}')
        connection.getresponse().read()
    connection.close()
    assert server.connections == 1
    assert [request.path for request in server.requests] == ["/a", "/stream", "/b"]
    assert server.requests[2].args == {"key": "1"}
    assert server.requests[0].json == {"x": 1}


@pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.RESET, Kind.HANG, Kind.HANG_AFTER, Kind.GARBAGE, Kind.RESET_AFTER])
def test_a_broken_wire_is_an_error_once_and_then_mends(server: MockServer, kind: Kind) -> None:
    server.fail(Fault(kind, after=1))
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(server, "/stream")
    assert ask(server, "/stream") == (200, b"".join(STREAM))


def test_a_cut_stream_lacks_its_end(server: MockServer) -> None:
    server.fail(Fault(Kind.CUT_AFTER, after=1))
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "/stream")


def test_a_refused_port_is_the_same_port_when_mended(server: MockServer) -> None:
    port = server.port
    server.fail(Kind.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        ask(server, "/a")
    server.mend()
    assert server.port == port
    assert ask(server, "/a")[0] == 200


def test_a_status_comes_in_the_vendors_own_body_with_the_faults_headers(server: MockServer) -> None:
    server.fail(Fault(Kind.STATUS, status=429, headers={"retry-after": "7"}, when=lambda request: request.path == "/b"))
    assert ask(server, "/a")[0] == 200
    assert ask(server, "/b") == (429, b'{"error": {"code": 429}}')


def test_split_bytes_make_the_same_answer(server: MockServer) -> None:
    server.fail(Kind.BYTE_BY_BYTE, times=2)
    assert ask(server, "/stream") == (200, b"".join(STREAM))
    assert ask(server, "/a") == (200, b'{"path": "/a"}')


def test_a_body_can_be_rubbish_truncated_or_shorter_than_it_says(server: MockServer) -> None:
    server.fail(Kind.TRUNCATED)
    assert ask(server, "/a") == (200, b'{"path"')
    server.fail(Kind.GARBAGE_INSIDE)
    assert b"not json" in ask(server, "/a")[1]
    server.fail(Kind.WRONG_LENGTH)
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "/a")


def test_the_moment_a_client_leaves_is_known(server: MockServer) -> None:
    server.fail(Fault(Kind.HANG_AFTER, after=1))
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.request("POST", "/stream", b"{}")
    answer = connection.getresponse()
    assert answer.read(len(STREAM[0])) == STREAM[0]
    left = time.monotonic()
    answer.close()
    connection.close()
    assert server.requests[0].wait_aborted() >= left
    assert server.requests[0].answered_at is None


def test_marks_in_the_text_direct_the_scene() -> None:
    scene = play(Question('hi [[tool:add {"a": [[1]]}]] [[tool:unknown]]', ["x y"], tools=["add"]))
    assert [(call.name, call.args) for call in scene.calls] == [("add", {"a": [[1]]})]
    assert "".join(scene.calls[0].fragments) == scene.calls[0].args_json
    assert len(scene.calls[0].fragments) >= 2
    assert play(Question("[[think]] a b", ["a"], reasoning=True)).thought
    assert not play(Question("[[think]] a b", ["a"])).thought
    assert play(Question("[[nousage]] a", ["a"])).usage is None
    assert play(Question("a [[long:3]]", ["a"])).text == "word0 word1 word2"
    assert play(Question("a b c", ["a b c"], limit=2)).finish == "length"


def test_a_picture_is_described_by_its_bytes() -> None:
    scene = play(Question("look", ["look"], media=[Medium("image", "image/png", PNG)]))
    assert scene.text.startswith("You said: look [image image/png 67 bytes sha256:")
    assert scene.usage is not None
    assert scene.usage.input == 11
    told = play(Question("", [], results=[ToolSaid("20 degrees", [Medium("image", "image/png", PNG)])]))
    assert told.text.startswith("tool said: 20 degrees [image image/png")


def test_an_instance_fits_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/n"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
        "$defs": {"n": {"type": "integer", "minimum": 3}},
    }
    assert instance(schema) == {"n": 3, "tags": ["a"]}


def test_pieces_join_to_the_text() -> None:
    assert "".join(pieces("a b  c\n d ")) == "a b  c\n d "
