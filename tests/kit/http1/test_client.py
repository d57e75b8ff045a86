"""How the client keeps, waits for, and lets go of its connections."""

import asyncio
import socket
from contextlib import suppress

import pytest

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import answering, drip, echo, read_request, scripted, serving, until
from tollway.kit.http1.client import Client
from tollway.kit.http1.wire import Outbound, Request, Sink, UpstreamError

OK = b"HTTP/1.1 200 OK\r\n"


def ask(origin: str, path: bytes = b"/", body: bytes = b"", **limits: float) -> Outbound:
    return Outbound(origin, path, (), body, **limits)  # type: ignore[arg-type]


def test_a_connection_is_kept_and_used_again(run: Run) -> None:
    async def go() -> None:
        client = Client()
        async with serving(echo) as server:
            origin = f"http://localhost:{server.port}"
            for n in range(5):
                assert await (await client.send(ask(origin, b"/%d" % n))).read() == b"POST|/%d||" % n
            assert server.open_connections == client.open_connections == 1
            await asyncio.gather(*(one(client, origin) for _ in range(50)))
            assert client.open_connections > 1
            await client.close()
            await until(lambda: server.open_connections == 0)

    async def one(client: Client, origin: str) -> None:
        assert await (await client.send(ask(origin, body=b"x" * 100_000))).read() == b"POST|/||" + b"x" * 100_000

    run(go())


def test_a_stream_is_pumped_as_it_comes_and_what_came_before_is_not_lost(run: Run) -> None:
    async def go() -> None:
        client = Client()
        async with serving(drip) as server:
            for wait_s in (0.0, 0.005, 0.1):
                got: list[bytes] = []
                answer = await client.send(ask(f"http://127.0.0.1:{server.port}"))
                await asyncio.sleep(wait_s)
                await answer.pump(got.append)
                assert b"".join(got) == b"piece 0;piece 1;piece 2;piece 3;piece 4;"
            await client.close()

    run(go())


def test_a_pump_may_stop_or_fail_and_be_taken_up_again(run: Run) -> None:
    async def go() -> None:
        client = Client()
        async with serving(drip) as server:
            answer = await client.send(ask(f"http://127.0.0.1:{server.port}"))
            got: list[bytes] = []

            def stopping(data: bytes) -> None:
                got.append(data)
                answer.stop_pump()

            def failing(data: bytes) -> None:
                got.append(data)
                raise LookupError

            await answer.pump(stopping)
            assert len(got) == 1
            with pytest.raises(LookupError):
                await answer.pump(failing)
            assert len(got) == 2
            await asyncio.sleep(0.05)
            await answer.pump(got.append)
            assert b"".join(got) == b"piece 0;piece 1;piece 2;piece 3;piece 4;"
            await client.close()

    run(go())


def test_a_dead_kept_connection_is_replaced_once(run: Run) -> None:
    connections: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await read_request(reader)
        writer.write(OK + b"Content-Length: 2\r\n\r\nok")
        await read_request(reader)
        writer.transport.abort()

    async def go() -> None:
        client = Client()
        async with scripted(talk) as origin:
            for _ in range(3):
                assert await (await client.send(ask(origin))).read() == b"ok"
            assert len(connections) == 3
            await client.close()

    run(go())


@pytest.mark.parametrize("first_words", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_nothing_is_sent_twice_on_a_new_connection_or_after_a_first_byte(run: Run, first_words: bytes) -> None:
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first_words:
            asked.append(await read_request(reader))
            writer.write(OK + b"Content-Length: 2\r\n\r\nok")
        asked.append(await read_request(reader))
        writer.write(first_words)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.transport.abort()

    async def go() -> None:
        client = Client()
        async with scripted(talk) as origin:
            if first_words:
                await (await client.send(ask(origin))).read()
            with pytest.raises(UpstreamError) as caught:
                await client.send(ask(origin))
            assert caught.value.phase == "reset"
            assert len(asked) == (2 if first_words else 1)
            await client.close()

    run(go())


def test_a_connection_the_provider_closed_while_idle_is_dropped_at_once(run: Run) -> None:
    async def go() -> None:
        client = Client()
        async with scripted(answering(OK + b"Content-Length: 2\r\n\r\nok")) as origin:
            await (await client.send(ask(origin))).read()
            await until(lambda: client.open_connections == 0)
            await client.close()

    run(go())


def test_a_connection_idle_for_too_long_is_closed(run: Run) -> None:
    async def go() -> None:
        client = Client(idle_max_age_s=0.1)
        async with serving(echo) as server:
            await (await client.send(ask(f"http://127.0.0.1:{server.port}"))).read()
            assert client.open_connections == 1
            await until(lambda: client.open_connections == 0)
            await client.close()

    run(go())


@pytest.mark.parametrize("moment", ["send", "read", "pump", "close"])
def test_letting_go_of_an_answer_closes_its_connection_at_once(run: Run, moment: str) -> None:
    async def go() -> None:
        closed = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            if moment != "send":
                writer.write(OK + b"Content-Length: 100\r\n\r\nhello")
            with suppress(ConnectionResetError):
                await reader.read()
            closed.set()
            writer.close()

        async def use(client: Client, origin: str) -> None:
            answer = await client.send(ask(origin))
            if moment == "close":
                answer.close()
            elif moment == "read":
                await answer.read()
            else:
                try:
                    await answer.pump(lambda data: None)
                finally:
                    answer.close()

        client = Client()
        async with scripted(talk) as origin:
            task = asyncio.ensure_future(use(client, origin))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait((task,))
            async with asyncio.timeout(0.5):
                await closed.wait()
            assert client.open_connections == 0
            await client.close()

    run(go())


def test_every_wait_has_a_limit_of_its_own(run: Run) -> None:
    async def stalls(request: Request, sink: Sink) -> None:
        if request.path != "/mute":
            sink.head(200, ())
            sink.write(b"first")
        if request.path == "/drips":
            while True:
                await asyncio.sleep(0.05)
                sink.write(b"x")
        await asyncio.sleep(10)

    async def go() -> None:
        client = Client()
        async with serving(stalls) as server:
            origin = f"http://127.0.0.1:{server.port}"
            for outbound, phase in (
                (ask(origin, b"/mute", first_byte_timeout_s=0.2), "first_byte"),
                (ask(origin, b"/stalls", idle_timeout_s=0.2), "idle"),
                (ask(origin, b"/drips", idle_timeout_s=0.2, total_timeout_s=0.7), "total"),
                (ask("http://127.0.0.1:1"), "connect"),
                (ask("https://" + origin[7:], connect_timeout_s=2), "tls"),
            ):
                with pytest.raises(UpstreamError) as caught:
                    await (await client.send(outbound)).read()
                assert caught.value.phase == phase
            await until(lambda: client.open_connections == 0)
            await client.close()

    run(go())


def test_a_kept_connection_waits_for_its_first_byte_no_longer_than_a_new_one(run: Run) -> None:
    async def once(request: Request, sink: Sink) -> None:
        if request.path == "/mute":
            await asyncio.sleep(10)
        sink.head(200, (), 2)
        sink.write(b"ok")
        sink.end()

    async def go() -> None:
        client = Client()
        async with serving(once) as server:
            origin = f"http://127.0.0.1:{server.port}"
            await (await client.send(ask(origin))).read()
            with pytest.raises(UpstreamError) as caught:
                await client.send(ask(origin, b"/mute", first_byte_timeout_s=0.2, idle_timeout_s=60))
            assert caught.value.phase == "first_byte"
            await client.close()

    run(go())


def test_a_tls_handshake_that_never_answers_times_out(run: Run) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        writer.close()

    async def go() -> None:
        client = Client()
        async with scripted(silent) as origin:
            with pytest.raises(UpstreamError) as caught:
                await client.send(ask(origin.replace("http", "https"), connect_timeout_s=0.2))
            assert caught.value.phase == "tls"
            await client.close()

    run(go())


def test_a_connection_over_the_limit_waits_for_one_to_come_free(run: Run) -> None:
    async def slow(request: Request, sink: Sink) -> None:
        await asyncio.sleep(float(request.query))
        await echo(request, sink)

    async def go() -> None:
        client = Client(max_per_origin=2)
        async with serving(slow) as server:
            origin = f"http://127.0.0.1:{server.port}"
            await asyncio.gather(*(one(client, origin) for _ in range(10)))
            assert client.open_connections == server.open_connections == 2
            held = [asyncio.ensure_future(client.send(ask(origin, b"/?5"))) for _ in range(2)]
            await asyncio.sleep(0.02)
            with pytest.raises(UpstreamError) as caught:
                await client.send(ask(origin, b"/?0", connect_timeout_s=0.1))
            assert caught.value.phase == "connect"
            waiting = asyncio.ensure_future(client.send(ask(origin, b"/?0")))
            await asyncio.sleep(0.02)
            held[0].cancel()
            assert (await waiting).status == 200
            held[1].cancel()
            await client.close()

    async def one(client: Client, origin: str) -> None:
        assert (await client.send(ask(origin, b"/?0.01"))).status == 200

    run(go())


def test_of_those_who_wait_for_a_connection_the_higher_priority_goes_first(run: Run) -> None:
    answered: list[str] = []
    opened = asyncio.Event()

    async def gate(request: Request, sink: Sink) -> None:
        await opened.wait()
        await echo(request, sink)

    async def go() -> None:
        client = Client(max_per_origin=1)
        async with serving(gate) as server:
            origin = f"http://127.0.0.1:{server.port}"
            first = asyncio.ensure_future(one(client, origin, "first", 0))
            while not client.open_connections:
                await asyncio.sleep(0)
            waiting = []
            for name, priority in (("free a", 0), ("guru", 1), ("free b", 0), ("pro a", 2), ("pro b", 2)):
                waiting.append(asyncio.ensure_future(one(client, origin, name, priority)))
                await asyncio.sleep(0)
            waiting[3].cancel()
            opened.set()
            await asyncio.gather(first, *waiting, return_exceptions=True)
            await client.close()
        assert answered == ["first", "pro b", "guru", "free a", "free b"]

    async def one(client: Client, origin: str, name: str, priority: int) -> None:
        answer = await client.send(ask(origin, b"/", priority=priority))
        await answer.read()
        answered.append(name)

    run(go())


def test_what_nobody_reads_is_bounded_and_arrives_all_the_same(run: Run) -> None:
    async def go() -> None:
        sent = 0

        async def flood(request: Request, sink: Sink) -> None:
            nonlocal sent
            room = asyncio.Event()
            room.set()
            sink.on_full(room.clear, room.set)
            sink.head(200, (), 40_000_000)
            while sent < 40_000_000:
                await room.wait()
                sink.write(b"x" * 20_000)
                sent += 20_000
                await asyncio.sleep(0)
            sink.end()

        client = Client()
        async with serving(flood) as server:
            answer = await client.send(ask(f"http://127.0.0.1:{server.port}", idle_timeout_s=0.2))
            await asyncio.sleep(0.8)
            assert sent < 20_000_000
            got = 0

            def count(data: bytes) -> None:
                nonlocal got
                got += len(data)
                if got > 10_000_000:
                    answer.pause()
                    asyncio.get_running_loop().call_later(0.01, answer.resume)

            await answer.pump(count)
            assert got == 40_000_000
            await client.close()

    run(go())


def test_a_closed_client_fails_what_is_in_flight_and_what_comes(run: Run) -> None:
    async def waits(request: Request, sink: Sink) -> None:
        await asyncio.sleep(10)

    async def go() -> None:
        client = Client()
        async with serving(waits) as server:
            origin = f"http://127.0.0.1:{server.port}"
            sending = asyncio.ensure_future(client.send(ask(origin)))
            await until(lambda: server.running_requests == 1)
            await client.close()
            with pytest.raises(UpstreamError):
                await sending
            with pytest.raises(UpstreamError):
                await client.send(ask(origin))

    run(go())


def test_small_writes_are_not_held_back(run: Run) -> None:
    async def go() -> None:
        client = Client()
        async with serving(echo) as server:
            await (await client.send(ask(f"http://127.0.0.1:{server.port}"))).read()
            [connection] = server._front.connections
            sock = connection.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await client.close()

    run(go())
