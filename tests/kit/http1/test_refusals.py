"""What our own front refuses, and that nothing hidden behind it is ever served."""

import asyncio

import pytest

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import HEAD, own_front, say
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.wire import Headers, Request, Sink

SMUGGLED = b"GET /smuggled" + HEAD + b"\r\n"
TE = b"Transfer-Encoding: chunked\r\n"

HOSTILE = {
    "length and chunks": (400, b"POST /" + HEAD + b"Content-Length: 6\r\n" + TE + b"\r\n0\r\n\r\n"),
    "chunks and length": (400, b"POST /" + HEAD + TE + b"Content-Length: 6\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, b"POST /" + HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
    "one length twice": (400, b"POST /" + HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "a list of lengths": (400, b"POST /" + HEAD + b"Content-Length: 3, 3\r\n\r\nabc"),
    "a signed length": (400, b"POST /" + HEAD + b"Content-Length: +3\r\n\r\nabc"),
    "a hex length": (400, b"POST /" + HEAD + b"Content-Length: 0x3\r\n\r\nabc"),
    "a length past all numbers": (400, b"POST /" + HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabc"),
    "chunked twice": (400, b"POST /" + HEAD + TE + TE + b"\r\n0\r\n\r\n"),
    "chunked not last": (400, b"POST /" + HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "gzip, chunked": (501, b"POST /" + HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "an unknown coding": (501, b"POST /" + HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "a coding with a vertical tab": (400, b"POST /" + HEAD + b"Transfer-Encoding:\tchunked \x0b\r\n\r\n0\r\n\r\n"),
    "chunks in HTTP/1.0": (400, b"POST / HTTP/1.0\r\n" + TE + b"\r\n0\r\n\r\n"),
    "a chunk size that is none": (400, b"POST /" + HEAD + TE + b"\r\nxyz\r\n"),
    "a chunk longer than it says": (400, b"POST /" + HEAD + TE + b"\r\n3\r\nabcd\r\n0\r\n\r\n"),
    "a chunk size past all numbers": (400, b"POST /" + HEAD + TE + b"\r\nfffffffffffffffff\r\nabc"),
    "a chunk ended by LF": (400, b"POST /" + HEAD + TE + b"\r\n3\nabc\r\n0\r\n\r\n"),
    "a space after a chunk size": (400, b"POST /" + HEAD + TE + b"\r\n3 \r\nabc\r\n0\r\n\r\n"),
    "a length among trailers": (400, b"POST /" + HEAD + TE + b"\r\n0\r\nContent-Length: 3\r\n\r\n"),
    "bare LF": (400, b"GET / HTTP/1.1\nHost: example\n\n"),
    "bare CR in a value": (400, b"GET /" + HEAD + b"A: b\rc\r\n\r\n"),
    "a folded line": (400, b"GET /" + HEAD + b"A: b\r\n c\r\n\r\n"),
    "a space before the colon": (400, b"GET /" + HEAD + b"A : b\r\n\r\n"),
    "an empty name": (400, b"GET /" + HEAD + b": b\r\n\r\n"),
    "NUL in a value": (400, b"GET /" + HEAD + b"A: b\x00c\r\n\r\n"),
    "a name with a high byte": (400, b"GET /" + HEAD + b"\xc3\xa9: b\r\n\r\n"),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, b"GET /" + HEAD + b"Host: other\r\n\r\n"),
    "a fragment": (400, b"GET /a#b" + HEAD + b"\r\n"),
    "a target that is neither": (400, b"GET ftp://x/" + HEAD + b"\r\n"),
    "CONNECT": (400, b"CONNECT example:443 HTTP/1.1\r\nHost: example\r\n\r\n"),
    "garbage": (400, b"\x16\x03\x01\x02\x00\x01\x00"),
    "HTTP/2": (505, b"GET / HTTP/2.0\r\nHost: example\r\n\r\n"),
    "the preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": (505, b"GET /\r\n\r\n"),
    "an expectation we do not know": (417, b"POST /" + HEAD + b"Expect: miracles\r\nContent-Length: 1\r\n\r\nx"),
    "a long target": (414, b"GET /" + b"a" * 3000 + HEAD + b"\r\n"),
    "a long header": (431, b"GET /" + HEAD + b"A: " + b"b" * 3000 + b"\r\n\r\n"),
    "many headers": (431, b"GET /" + HEAD + b"".join(b"h%d: x\r\n" % n for n in range(30)) + b"\r\n"),
}
TIGHT = Limits(max_header_bytes=2000, max_headers=20, linger_s=0.1)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_be_read_in_two_ways_is_refused(run: Run, name: str) -> None:
    status, asked = HOSTILE[name]

    async def go() -> None:
        served: list[str] = []

        async def handler(request: Request, sink: Sink) -> None:
            served.append(request.path)
            sink.head(200, (), 0)
            sink.end()

        async with own_front(handler, TIGHT) as port:
            whole, bytewise = await asyncio.gather(
                say(port, [asked + SMUGGLED]), say(port, [bytes([byte]) for byte in asked + SMUGGLED])
            )
        for answer in (whole, bytewise):
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer
            assert answer.count(b"\r\ndate: ") == 1
            assert b"connection: close\r\n" in answer
        assert served == []

    run(go())


def test_endless_trailers_and_extensions_are_refused(run: Run) -> None:
    async def go() -> None:
        head = b"POST /" + HEAD + TE + b"\r\n"
        async with own_front(never, TIGHT) as port:
            for flood in (b"3;" + b"x" * 900, b"0\r\nx: " + b"y" * 900):
                answer = await say(port, [head, flood, *[b"z" * 900] * 8])
                assert answer.startswith(b"HTTP/1.1 431 ")

    run(go())


def test_a_refusal_waits_its_turn_behind_what_was_asked_before(run: Run) -> None:
    async def go() -> None:
        async def slow(request: Request, sink: Sink) -> None:
            await asyncio.sleep(0.05)
            sink.head(200, (), 2)
            sink.write(b"ok")
            sink.end()

        async with own_front(slow, TIGHT) as port:
            answer = await say(port, [b"GET /" + HEAD + b"\r\n" + b"GET /" + HEAD + b"\r\nnonsense\r\n\r\n"])
        assert [answer.count(b"HTTP/1.1 200"), answer.count(b"HTTP/1.1 400")] == [2, 1]
        assert answer.rfind(b"200 OK") < answer.find(b"400 Bad")

    run(go())


def test_too_many_pipelined_requests_are_refused_after_those_that_fit(run: Run) -> None:
    async def go() -> None:
        async def slow(request: Request, sink: Sink) -> None:
            await asyncio.sleep(0.001)
            sink.head(200, (), 0)
            sink.end()

        async with own_front(slow, Limits(max_pipelined=5, linger_s=0.1)) as port:
            answer = await say(port, [(b"GET /" + HEAD + b"\r\n") * 50])
        assert 5 <= answer.count(b"HTTP/1.1 200") <= 7
        assert answer.count(b"HTTP/1.1 503") == 1

    run(go())


def test_too_many_connections_are_refused(run: Run) -> None:
    async def go() -> None:
        async with own_front(never, Limits(max_connections=2, linger_s=0.1)) as port:
            kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            await asyncio.sleep(0.01)
            answer = await say(port, [])
            assert answer.startswith(b"HTTP/1.1 503 ")
            for _, writer in kept:
                writer.close()

    run(go())


def test_the_refusal_speaks_the_callers_dialect(run: Run) -> None:
    def refuse(status: int, code: str, message: str, path: str | None) -> tuple[Headers, bytes]:
        return ((b"x-dialect", b"yes"),), f"{code} {path}".encode()

    async def go() -> None:
        async with own_front(never, Limits(max_body=10, linger_s=0.1), refuse) as port:
            known = await say(port, [b"POST /v1/messages?x" + HEAD + b"Content-Length: 11\r\n\r\n" + b"x" * 11])
            unknown = await say(port, [b"nonsense\r\n\r\n"])
        assert b"x-dialect: yes\r\n" in known
        assert known.endswith(b"\r\n\r\nbody_too_large /v1/messages")
        assert unknown.endswith(b"\r\n\r\nbad_request None")

    run(go())


def test_an_offer_to_upgrade_is_ignored(run: Run) -> None:
    async def go() -> None:
        bodies: list[bytes] = []

        async def handler(request: Request, sink: Sink) -> None:
            bodies.append(request.path.encode() + request.body)
            sink.head(200, (), 0)
            sink.end()

        offer = HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        asked = b"POST /a" + offer + b"Content-Length: 3\r\n\r\nabc"
        asked += b"POST /b" + offer + TE + b"\r\n3\r\ndef\r\n0\r\n\r\n" + b"GET /c" + offer + b"\r\n"
        asked += b"GET /d" + HEAD + b"Connection: close\r\n\r\n"
        async with own_front(handler) as port:
            for pieces in ([asked], [bytes([byte]) for byte in asked]):
                answer = await say(port, pieces)
                assert answer.count(b"HTTP/1.1 200 OK") == 4
        assert bodies == [b"/aabc", b"/bdef", b"/c", b"/d"] * 2

    run(go())


def test_a_url_for_a_target_is_its_path(run: Run) -> None:
    async def go() -> None:
        targets: list[tuple[str, str]] = []

        async def handler(request: Request, sink: Sink) -> None:
            targets.append((request.path, request.query))
            sink.head(200, (), 0)
            sink.end()

        async with own_front(handler) as port:
            for target in (b"http://a/b/c?d", b"http://a", b"HTTPS://a?d", b"*"):
                await say(port, [b"OPTIONS " + target + HEAD + b"Connection: close\r\n\r\n"])
        assert targets == [("/b/c", "d"), ("/", ""), ("/", "d"), ("*", "")]

    run(go())


def test_a_failing_screen_is_a_500(run: Run) -> None:
    def screen(request: Request) -> None:
        raise LookupError

    async def go() -> None:
        async with own_front(never, screen=screen) as port:
            assert (await say(port, [b"GET /" + HEAD + b"\r\n"])).startswith(b"HTTP/1.1 500 ")

    run(go())


async def never(request: Request, sink: Sink) -> None:
    """A handler that must not be reached."""
    raise AssertionError
