"""What the client makes of a provider's answer, well-formed or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import Talk, answering, read_request, scripted
from tollway.kit.http1.client import Client
from tollway.kit.http1.wire import Outbound, UpstreamError

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Go\r\n\r\n"

WHOLE = {
    "sized": (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", b""),
    "chunked": (CHUNKS + b"3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n", b"hello"),
    "chunked, with trailers": (CHUNKS + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hello"),
    "to the end of the connection": (OK + b"\r\nhello", b"hello"),
    "from HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "after interim answers": (
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Go\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
        b"ok",
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
    "without a reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
}

HOSTILE = {
    "garbage": b"hello, who is there?\r\n\r\n",
    "nothing": b"",
    "half a head": OK + b"Content-Le",
    "a head too large": OK + b"X: " + b"y" * 200_000,
    "too many headers": OK + b"x: y\r\n" * 300 + b"Content-Length: 0\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
    "a length that is none": OK + b"Content-Length: five\r\n\r\nhello",
    "less than its length": OK + b"Content-Length: 9\r\n\r\nhello",
    "a bad chunk size": CHUNKS + b"zz\r\nhello\r\n0\r\n\r\n",
    "a chunk without its end": CHUNKS + b"5\r\nhelloXX0\r\n\r\n",
    "chunks without a last one": CHUNKS + b"5\r\nhello\r\n",
    "an unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "a coding before chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks from HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    "a switch of protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nhello",
    "a status below 100": b"HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n",
    "a folded header": OK + b"X: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
    "endless extensions": CHUNKS + b"5;" + b"x" * 200_000,
}


@asynccontextmanager
async def asking(talk: Talk) -> AsyncIterator[tuple[Client, Outbound]]:
    """A client, and a request to a scripted provider."""
    client = Client()
    async with scripted(talk) as origin:
        yield client, Outbound(origin, b"/v1?x=1", ((b"x-key", b"k"),), b"body")
    await client.close()


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_is_read_whole(run: Run, name: str) -> None:
    sent, body = WHOLE[name]

    async def go() -> None:
        async with asking(answering(sent)) as (client, outbound):
            answer = await client.send(outbound)
            assert await answer.read() == body

    run(go())


@pytest.mark.parametrize("name", ["sized", "chunked, with trailers", "after interim answers"])
def test_the_same_whatever_the_split(run: Run, name: str) -> None:
    sent, body = WHOLE[name]

    async def go() -> None:
        for at in range(1, len(sent)):
            async with asking(answering(sent[:at], sent[at:])) as (client, outbound):
                got: list[bytes] = []
                await (await client.send(outbound)).pump(got.append)
                assert b"".join(got) == body
        async with asking(answering(*(bytes([byte]) for byte in sent))) as (client, outbound):
            assert await (await client.send(outbound)).read() == body

    run(go())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_an_error_that_names_its_phase(run: Run, name: str) -> None:
    async def go() -> None:
        async with asking(answering(HOSTILE[name])) as (client, outbound):
            with pytest.raises(UpstreamError) as caught:
                await (await client.send(outbound)).read()
            assert caught.value.phase in ("protocol", "reset")
            assert client.open_connections == 0 or await gone(client)

    run(go())


async def gone(client: Client) -> bool:
    """Whether the connection is closed a tick later."""
    await asyncio.sleep(0.01)
    return client.open_connections == 0


def test_a_request_says_what_it_should(run: Run) -> None:
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await read_request(reader):
            heard.append(asked)
            writer.write(OK + b"Content-Length: 0\r\n\r\n")
        writer.close()

    async def go() -> None:
        async with asking(talk) as (client, outbound):
            await (await client.send(outbound)).read()
            asked = Outbound(outbound.origin, b"/", ((b"accept-encoding", b"br"),), b"", b"GET")
            await (await client.send(asked)).read()
            host = outbound.origin.removeprefix("http://").encode()
        assert heard == [
            b"POST /v1?x=1 HTTP/1.1\r\nhost: " + host + b"\r\nx-key: k\r\n"
            b"accept-encoding: identity\r\ncontent-length: 4\r\n\r\nbody",
            b"GET / HTTP/1.1\r\nhost: " + host + b"\r\naccept-encoding: br\r\n\r\n",
        ]

    run(go())


@pytest.mark.parametrize("headers", [((b"x", b"a\r\nb: c"),), ((b"x\n", b"a"),)])
def test_a_request_with_a_line_break_in_a_header_is_never_sent(
    run: Run, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    async def go() -> None:
        async with asking(answering()) as (client, outbound):
            with pytest.raises(ValueError, match="framing"):
                await client.send(Outbound(outbound.origin, b"/", headers, b""))
            with pytest.raises(ValueError, match="framing"):
                await client.send(Outbound(outbound.origin, b"/a b", (), b""))

    run(go())


def test_an_answer_to_head_has_no_body_and_keeps_its_connection(run: Run) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            writer.write(OK + b"Content-Length: 5\r\n\r\n")
        writer.close()

    async def go() -> None:
        async with asking(talk) as (client, outbound):
            for _ in range(3):
                answer = await client.send(Outbound(outbound.origin, b"/", (), b"", b"HEAD"))
                assert (answer.status, await answer.read()) == (200, b"")
            assert client.open_connections == 1

    run(go())


@pytest.mark.parametrize(
    "extra", [b"EXTRA", OK + b"Content-Length: 8\r\n\r\npoisoned", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n"]
)
def test_bytes_after_the_body_end_the_connection_not_the_answer(run: Run, extra: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            writer.write(OK + b"Content-Length: 5\r\n\r\nhello" + extra)
        writer.close()

    async def go() -> None:
        async with asking(talk) as (client, outbound):
            for _ in range(3):
                assert await (await client.send(outbound)).read() == b"hello"

    run(go())


def test_an_answer_nobody_asked_for_is_never_taken_for_ours(run: Run) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + b"Content-Length: 5\r\n\r\nhello")
        await asyncio.sleep(0.02)
        writer.write(OK + b"Content-Length: 8\r\n\r\npoisoned")
        await reader.read()
        writer.close()

    async def go() -> None:
        async with asking(talk) as (client, outbound):
            for _ in range(2):
                assert await (await client.send(outbound)).read() == b"hello"
                await asyncio.sleep(0.05)
                assert client.open_connections == 0

    run(go())


def test_an_answer_before_the_request_is_sent_whole_is_given_and_its_connection_dropped(run: Run) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(0.1)
        writer.transport.abort()

    async def go() -> None:
        async with asking(talk) as (client, outbound):
            answer = await client.send(Outbound(outbound.origin, b"/", (), b"x" * 20_000_000))
            assert (answer.status, await answer.read()) == (413, b"no")
            assert await gone(client)

    run(go())


def test_an_answer_larger_than_asked_for_is_an_error(run: Run) -> None:
    async def go() -> None:
        async with asking(answering(OK + b"\r\n" + b"x" * 5000)) as (client, outbound):
            answer = await client.send(Outbound(outbound.origin, b"/", (), b"", max_body=1000))
            with pytest.raises(UpstreamError) as caught:
                await answer.read()
            assert caught.value.phase == "too_large"

    run(go())
