"""What both fronts owe a handler and its client."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import HEAD, asgi_front, drip, echo, own_front, read_answer, say, until
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.wire import Answer, Headers, Request, Sink

Front = Callable[..., AbstractAsyncContextManager[int]]
CLOSE = b"Connection: close\r\n\r\n"


@pytest.fixture(params=["own", "asgi"])
def front(request: pytest.FixtureRequest) -> Front:
    return own_front if request.param == "own" else asgi_front


def test_a_request_reaches_the_handler_as_it_was_sent(run: Run, front: Front) -> None:
    async def go() -> None:
        seen: list[Request] = []

        async def handler(request: Request, sink: Sink) -> None:
            seen.append(request)
            await echo(request, sink)

        async with front(handler) as port:
            asked = (
                b"POST /a%20b/c?x=1&y=%2F" + HEAD + b"X-Two: 1\r\nx-two: 2\r\nContent-Length: 5\r\n" + CLOSE + b"hello"
            )
            answer = await say(port, [asked])
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nPOST|/a%20b/c|x=1&y=%2F|hello")
        assert seen[0].headers[b"x-two"] == b"1, 2"
        assert seen[0].peer == "127.0.0.1"

    run(go())


def test_a_chunked_body_arrives_whole(run: Run, front: Front) -> None:
    async def go() -> None:
        async with front(echo) as port:
            head = b"POST /" + HEAD + b"Transfer-Encoding: chunked\r\n" + CLOSE
            answer = await say(port, [head, b"5\r\nhello\r\n", b"6;x=y\r\n world\r\n", b"0\r\nTrailer: x\r\n\r\n"])
        assert answer.endswith(b"POST|/||hello world")

    run(go())


def test_the_same_whatever_the_split(run: Run) -> None:
    async def go() -> None:
        asked = b"POST /p?q" + HEAD + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        async with own_front(echo) as port:
            talks = [say(port, [asked[:at], asked[at:]]) for at in range(1, len(asked))]
            talks.append(say(port, [bytes([byte]) for byte in asked]))
            for answer in await asyncio.gather(*talks):
                assert answer.endswith(b"\r\n\r\nPOST|/p|q|abcde")

    run(go())


def test_a_stream_is_chunked_and_ends_cleanly(run: Run, front: Front) -> None:
    async def go() -> None:
        async with front(drip) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /" + HEAD + b"\r\n")
            status, headers, body = await read_answer(reader)
            assert (status, headers[b"transfer-encoding"]) == (200, b"chunked")
            assert body == b"piece 0;piece 1;piece 2;piece 3;piece 4;"
            writer.close()

    run(go())


def test_a_connection_is_kept_and_pipelined_answers_keep_their_order(run: Run, front: Front) -> None:
    async def go() -> None:
        async def slow_first(request: Request, sink: Sink) -> None:
            if request.path == "/0":
                await asyncio.sleep(0.05)
            await echo(request, sink)

        async with front(slow_first) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"".join(b"GET /%d" % n + HEAD + b"\r\n" for n in range(20)))
            for n in range(20):
                assert (await read_answer(reader))[2] == b"GET|/%d||" % n
            writer.write(b"GET /again" + HEAD + b"\r\n")
            assert (await read_answer(reader))[2] == b"GET|/again||"
            writer.close()

    run(go())


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_answers_without_a_body(run: Run, front: Front, method: bytes, status: int) -> None:
    async def go() -> None:
        async def handler(request: Request, sink: Sink) -> None:
            sink.head(status, (), 5 if status == 200 else 0)
            sink.write(b"hello" if status == 200 else b"")
            sink.end()

        async with front(handler) as port:
            answer = await say(port, [method + b" /" + HEAD + CLOSE])
        assert answer.startswith(b"HTTP/1.1 %d" % status)
        assert answer.endswith(b"\r\n\r\n")
        assert (b"content-length: 5" in answer) == (status == 200)

    run(go())


def test_http_1_0_gets_a_body_that_ends_with_the_connection(run: Run) -> None:
    async def go() -> None:
        async with own_front(drip) as port:
            answer = await say(port, [b"GET / HTTP/1.0\r\n\r\n"])
        assert b"transfer-encoding" not in answer
        assert answer.endswith(b"\r\n\r\npiece 0;piece 1;piece 2;piece 3;piece 4;")

    run(go())


def test_http_1_0_keep_alive_is_honoured(run: Run) -> None:
    async def go() -> None:
        async with own_front(echo) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                _, headers, body = await read_answer(reader)
                assert (headers[b"connection"], body) == (b"keep-alive", b"GET|/||")
            writer.close()

    run(go())


def test_a_client_that_expects_is_told_to_continue(run: Run, front: Front) -> None:
    async def go() -> None:
        async with front(echo) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /" + HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 Continue\r\n")
            writer.write(b"ok")
            assert (await read_answer(reader))[2] == b"POST|/||ok"
            writer.close()

    run(go())


def test_a_body_over_the_limit_is_refused(run: Run, front: Front) -> None:
    async def go() -> None:
        async with front(echo, Limits(max_body=1000, linger_s=0.2)) as port:
            sized = await say(port, [b"POST /" + HEAD + b"Content-Length: 1001\r\n\r\n", b"x" * 1001])
            chunk = b"200\r\n" + b"x" * 512 + b"\r\n"
            head = b"POST /" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
            chunked = await say(port, [head, chunk, chunk, b"0\r\n\r\n"])
        for answer in (sized, chunked):
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b'"code":"body_too_large"' in answer

    run(go())


def test_the_screen_refuses_before_the_body_is_read(run: Run, front: Front) -> None:
    def screen(request: Request) -> Answer | None:
        if request.headers.get(b"authorization") == b"yes":
            return None
        return 401, ((b"x-why", b"no key"),), b"who are you?"

    async def go() -> None:
        async with front(echo, Limits(linger_s=0.2), screen=screen) as port:
            refused = await say(port, [b"POST /" + HEAD + b"Content-Length: 1000000\r\n\r\n"])
            served = await say(port, [b"GET /" + HEAD + b"Authorization: yes\r\n" + CLOSE])
        assert refused.startswith(b"HTTP/1.1 401 ")
        assert refused.endswith(b"who are you?")
        assert b"x-why: no key\r\n" in refused
        assert served.endswith(b"GET|/||")

    run(go())


def test_a_failing_handler_is_a_500_in_the_words_of_the_refusal(run: Run, front: Front) -> None:
    def refuse(status: int, code: str, message: str, path: str | None) -> tuple[Headers, bytes]:
        return ((b"content-type", b"text/plain"),), f"{status} {code} at {path}".encode()

    async def raising(request: Request, sink: Sink) -> None:
        raise LookupError("a secret")

    async def silent(request: Request, sink: Sink) -> None:
        return

    async def go() -> None:
        for handler in (raising, silent):
            async with front(handler, refuse=refuse) as port:
                answer = await say(port, [b"GET /x" + HEAD + CLOSE])
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert answer.endswith(b"\r\n\r\n500 internal_error at /x")

    run(go())


def test_a_handler_that_fails_midway_cuts_the_connection(run: Run, front: Front) -> None:
    async def midway(request: Request, sink: Sink) -> None:
        sink.head(200, ())
        sink.write(b"half")
        await asyncio.sleep(0.01)
        if request.path == "/abort":
            sink.abort()
            return
        raise LookupError

    async def go() -> None:
        async with front(midway) as port:
            for path in (b"/abort", b"/raise"):
                try:
                    answer = await say(port, [b"GET " + path + HEAD + b"\r\n"])
                except ConnectionResetError:
                    continue
                assert b"half" in answer
                assert not answer.endswith(b"0\r\n\r\n")

    run(go())


@pytest.mark.parametrize("body", [b"short", b"much too long"])
def test_a_body_of_the_wrong_length_cuts_the_connection(run: Run, front: Front, body: bytes) -> None:
    async def wrong(request: Request, sink: Sink) -> None:
        sink.head(200, (), 8)
        sink.write(body)
        sink.end()

    async def go() -> None:
        async with front(wrong) as port:
            try:
                answer = await say(port, [b"GET /" + HEAD + b"\r\n"])
            except ConnectionResetError:
                return
            head, _, got = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 500") or len(got) < 8

    run(go())


def test_a_header_with_a_line_break_never_leaves(run: Run, front: Front) -> None:
    async def splitting(request: Request, sink: Sink) -> None:
        sink.head(200, ((b"x-note", b"a\r\nset-cookie: stolen"),), 0)
        sink.end()

    async def go() -> None:
        async with front(splitting) as port:
            answer = await say(port, [b"GET /" + HEAD + CLOSE])
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"stolen" not in answer

    run(go())


def test_a_client_that_leaves_cancels_its_handler(run: Run, front: Front) -> None:
    async def go() -> None:
        cancelled: list[str] = []

        async def waits(request: Request, sink: Sink) -> None:
            if request.path == "/late":
                sink.head(200, ())
                sink.write(b"first")
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                cancelled.append(request.path)
                raise

        async with front(waits) as port:
            for path in (b"/early", b"/late"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET " + path + HEAD + b"\r\n")
                if path == b"/late":
                    await reader.readuntil(b"first")
                else:
                    await asyncio.sleep(0.05)
                writer.close()
            await until(lambda: sorted(cancelled) == ["/early", "/late"])

    run(go())


def test_a_slow_reader_pauses_the_source_until_it_catches_up(run: Run, front: Front) -> None:
    async def go() -> None:
        calls: list[str] = []

        async def floods(request: Request, sink: Sink) -> None:
            flowing = asyncio.Event()
            flowing.set()

            def pause() -> None:
                calls.append("pause")
                flowing.clear()

            def resume() -> None:
                calls.append("resume")
                flowing.set()

            sink.on_full(pause, resume)
            sink.head(200, (), 16_000_000)
            for _ in range(1000):
                await flowing.wait()
                sink.write(b"x" * 16_000)
                await asyncio.sleep(0)
            sink.end()

        async with front(floods) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
            writer.write(b"GET /" + HEAD + CLOSE)
            await until(lambda: bool(calls))
            assert calls == ["pause"]
            answer = await reader.read()
            assert len(answer.partition(b"\r\n\r\n")[2]) == 16_000_000
            assert calls[:2] == ["pause", "resume"]
            writer.close()

    run(go())
