"""Requests through a proxy: CONNECT and SOCKS 5, with and without a password, and proxies that refuse or babble."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.kit.http1.conftest import Run
from tests.kit.http1.test_tls import certificate  # noqa: F401 - a fixture
from tests.kit.http1.wiretools import echo, serving
from tollway.kit.http1.client import Client
from tollway.kit.http1.server import Listen, serve
from tollway.kit.http1.tunnel import Proxy, parted, proxy_of, through
from tollway.kit.http1.wire import Outbound, UpstreamError

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WORD = base64.b64encode(b"ann:s3cr:t").decode()


class Middleman:
    """A proxy of both kinds that notes whom it was asked for."""

    def __init__(self, named: bool = False, answer: bytes = b"") -> None:
        self.named, self.answer = named, answer
        self.asked: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(1)
            if self.answer:
                writer.write(self.answer)
                await writer.drain()
            elif first == b"\x05":
                await self._socks((reader, writer))
            else:
                await self._connect((reader, writer))
        writer.close()

    async def _connect(self, streams: Streams) -> None:
        head = (await streams[0].readuntil(b"\r\n\r\n")).decode()
        if self.named and f"Proxy-Authorization: Basic {WORD}\r\n" not in head:
            streams[1].write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return
        host, _, port = head.split(" ")[1].rpartition(":")
        await self._join(streams, host, int(port), b"HTTP/1.1 200 Connection established\r\nvia: me\r\n\r\n")

    async def _socks(self, streams: Streams) -> None:
        reader, writer = streams
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x02" if self.named else b"\x05\x00")
        if self.named:
            if 2 not in methods:
                return
            _, size = await reader.readexactly(2)
            user = await reader.readexactly(size)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\x01\x00" if (user, password) == (b"ann", b"s3cr:t") else b"\x01\x01")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(str(byte) for byte in await reader.readexactly(4))
        port = int.from_bytes(await reader.readexactly(2), "big")
        await self._join(streams, host, port, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")

    async def _join(self, streams: Streams, host: str, port: int, welcome: bytes) -> None:
        self.asked.append(f"{host}:{port}")
        try:
            other = await asyncio.open_connection("127.0.0.1" if host == "upstream.test" else host, port)
        except OSError:
            streams[1].write(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")
            return
        streams[1].write(welcome)
        await asyncio.gather(_copy(streams[0], other[1]), _copy(other[0], streams[1]))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def middleman(named: bool = False, answer: bytes = b"") -> AsyncIterator[tuple[Middleman, int]]:
    made = Middleman(named, answer)
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("named", [False, True])
def test_a_request_goes_through_the_proxy_which_looks_the_name_up(run: Run, scheme: str, named: bool) -> None:
    async def go() -> None:
        client = Client()
        async with serving(echo) as server, middleman(named) as (man, port):
            who = "ann:s3cr%3At@" if named else ""
            origin = through(f"http://upstream.test:{server.port}", f"{scheme}://{who}127.0.0.1:{port}")
            for n in range(3):
                answer = await client.send(Outbound(origin, b"/%d" % n, (), b"x" * 100_000))
                assert await answer.read() == b"POST|/%d||" % n + b"x" * 100_000
            direct = await client.send(Outbound(f"http://127.0.0.1:{server.port}", b"/", (), b""))
            assert await direct.read() == b"POST|/||"
            assert man.asked == [f"upstream.test:{server.port}"]  # one connection, kept; and none for who goes directly
            await client.close()

    run(go())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_tls_is_spoken_with_the_provider_and_not_with_the_proxy(run: Run, certificate: Path, scheme: str) -> None:  # noqa: F811
    async def go() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = await serve(echo, listen=Listen(tls=context))
        client = Client(ssl_context=ssl.create_default_context(cafile=str(certificate)))
        async with middleman() as (man, port):
            origin = through(f"https://127.0.0.1:{server.port}", f"{scheme}://127.0.0.1:{port}")
            assert await (await client.send(Outbound(origin, b"/", (), b"hi"))).read() == b"POST|/||hi"
            assert man.asked == [f"127.0.0.1:{server.port}"]
            await client.close()
        await server.drain(0.2)

    run(go())


@pytest.mark.parametrize(
    ("scheme", "who", "named", "answer", "why"),
    [
        ("http", "", True, b"", "407"),
        ("http", "", False, b"HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        ("http", "", False, b"SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        ("http", "", False, b"HTTP/1.1 200 OK\r\n\r\nmore", "more than its answer"),
        ("http", "", False, b"x" * 20_000, "no answer"),
        ("socks5", "", True, b"", "wants a user"),
        ("socks5", "ann:no@", True, b"", "refused user and password"),
        ("socks5", "", False, b"\x05\xff", "refused us"),
        ("socks5", "", False, b"HTTP/1.1 400 Bad\r\n\r\n", "does not speak SOCKS"),
        ("socks5", "", False, b"\x05\x00\x05\x02\x00\x01", "not allowed"),
        ("socks5", "", False, b"\x05", "closed"),
    ],
)
def test_a_proxy_that_will_not_is_a_connection_that_failed_and_no_password_is_told(
    run: Run, scheme: str, who: str, named: bool, answer: bytes, why: str
) -> None:
    async def go() -> None:
        client = Client()
        async with middleman(named, answer) as (_, port):
            origin = through("http://127.0.0.1:9", f"{scheme}://{who}127.0.0.1:{port}")
            with pytest.raises(UpstreamError, match=why) as caught:
                await client.send(Outbound(origin, b"/", (), b""))
            assert caught.value.phase == "connect" and "no@" not in str(caught.value)
            assert client.open_connections == 0
            await client.close()

    run(go())


def test_a_proxy_that_says_nothing_is_waited_for_no_longer_than_for_a_connection(run: Run) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def go() -> None:
        client, server = Client(), await asyncio.start_server(silent, "127.0.0.1", 0)
        origin = through("http://upstream.test", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(UpstreamError) as caught:
            await client.send(Outbound(origin, b"/", (), b"", connect_timeout_s=0.2))
        assert caught.value.phase == "connect"
        await client.close()
        server.close()

    run(go())


def test_a_proxy_is_read_from_its_url_and_never_shows_its_password() -> None:
    assert proxy_of("socks5://a%40b:p%3Aw@h") == Proxy("socks5", "h", 1080, "a@b", "p:w")
    assert proxy_of("http://h:3128/") == Proxy("http", "h", 3128)
    assert "p:w" not in repr(proxy_of("socks5://a:p%3Aw@h"))
    assert parted(through("https://o", "http://h")) == ("https://o", Proxy("http", "h", 80))
    assert parted(through("https://o", "")) == ("https://o", None)


@pytest.mark.parametrize(
    "url", ["https://h", "h:3128", "http://", "http://h/path", "http://h?q", "ftp://h", "http://h:x", "socks5://h \n"]
)
def test_what_is_no_proxy_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not a URL"):
        proxy_of(url)
