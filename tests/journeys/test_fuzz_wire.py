"""Odd bytes, paths, queries, methods and headers against a running gateway: an answer or a closed line, at once."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.gateway.pipeline.effort import effort
from tests.gateway.pipeline.mistakes import damaged, mistaken, written
from tests.gateway.pipeline.questions import questions
from tests.journeys.hub import Hub, Providers

SILENCE_S, PATIENCE_S = 10.0, 0.3
OURS_ABOVE_500 = (501, 505)
"""Refusals of the wire itself: a transfer coding or an HTTP version we do not speak (a request line without one)."""
PROBE = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
PATHS = (
    "/",
    "/health",
    "/ready",
    "/openapi.json",
    "/me",
    "/models",
    "/v1/models",
    "/v1/models/echo",
    "/v1beta/models",
    "/v1beta/models/echo",
    "/v1/receipts/req_x",
    "/api-keys",
    "/api-keys/key_x",
    "/admin/users",
    "/admin/users/usr_x",
    "/admin/users/usr_x/grant",
    "/admin/channels",
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/anthropic/v1/messages",
    "/chat",
    "/code",
    "/v1beta/models/echo:generateContent",
    "/v1/models/echo:countTokens",
    "/v1beta/models/echo:streamGenerateContent",
    "/v1beta/models/%65cho:generateContent",
    "/v1beta/models/:generateContent",
    "/v1beta/models/a/b:generateContent",
    "/v1beta/models/%00:generateContent",
    "/v1beta/models/%ff:generateContent",
    "/v1beta/openai/models",
    "/nowhere",
    "*",
)
BENDS = (
    "",
    "/",
    "/.",
    "/..",
    "/../..",
    "//",
    "%2e%2e/",
    "%00",
    "%",
    "%zz",
    "%C3%28",
    "%F0%9F%9A%82",
    "\xff",
    "é",
    ";a=b",
    "#x",
    "\\",
    "|",
    "<script>",
    "a" * 3000,
    "a" * 70_000,
    "%25" * 500,
    ":generateContent",
    "?",
    "??",
)
QUERIES = (
    "",
    "?",
    "?key=",
    "?key=a&key=b",
    "?key=%00",
    "?key=%ff%fe",
    "?alt=sse",
    "?alt=sse&alt=json",
    "?alt=%00",
    "?limit=x",
    "?limit=-1",
    "?limit=99999999999999999999",
    "?after=%00",
    "?after=%ff",
    "?revoked=maybe",
    "?&&=&",
    "?" + "a=b&" * 5000,
    "?\xff",
    "?key=KEY",
    "?%6bey=KEY",
    "?key=KEY&alt=sse&$alt=json",
)
METHODS = (
    "GET",
    "POST",
    "POST",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "get",
    "PROPFIND",
    "",
    "X" * 300,
    "G\xffT",
)
HEADERS = (
    b"content-encoding: gzip",
    b"content-encoding: deflate",
    b"content-encoding: br",
    b"content-encoding: gzip, gzip",
    b"content-encoding: ",
    b"content-type: text/plain",
    b"content-type: multipart/form-data",
    b"content-type: \xff",
    b"accept: text/html",
    b"accept-encoding: gzip",
    b"expect: 100-continue",
    b"expect: x",
    b"x-api-key: KEY",
    b"x-api-key: \xff",
    b"x-goog-api-key: x",
    b"authorization: Basic eDp5",
    b"authorization: Bearer",
    b"authorization: ",
    b"authorization: Bearer KEY",
    b"authorization: Bearer KEY",
    b"authorization: Bearer KEY",
    b"anthropic-version: \xe9",
    b"anthropic-beta: " + b"a," * 3000,
    b"x: " + b"y" * 100_000,
    b"connection: close",
    b"connection: upgrade",
    b"upgrade: websocket",
    b"transfer-encoding: chunked",
    b"transfer-encoding: gzip",
    b"content-length: 5",
    b"content-length: -1",
    b"content-length: 99999999999999999999",
    b"host: other",
    b"host: ",
    b"cookie: a=b; c",
    b"range: bytes=0-",
    b"if-none-match: *",
    b"x-forwarded-for: 1.2.3.4",
    b" folded: x",
    b"no colon",
    b": empty",
    b"a\x00b: c",
    b"x-request-id: \x1b[31m",
    b"user-agent: %s%n",
)


@pytest.fixture(scope="module")
def gate(vendors: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A gateway of its own, looked at afterwards."""
    hub = Hub(tmp_path_factory.mktemp("gate"), vendors.environ).start()
    yield hub
    assert hub.process is not None
    try:
        assert hub.process.poll() is None
        status, _, told = hub.ask("/v1/chat/completions", HELLO, key=hub.keys["api_key"])
        assert status == 200, told
        assert "Traceback" not in (hub.folder / "serve.log").read_text()
        assert not hub.audit()
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def spender(gate: Hub) -> str:
    """The key of somebody with credit enough."""
    return gate.user(1_000_000)[1]


HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request on the wire, odd in its head, its target or its body."""
    question = draw(questions)
    odd = draw(st.sampled_from(("head", "target", "body", "bytes")))
    method, target, body = "POST", question.path, written(question.body)
    headers = [b"authorization: Bearer KEY", b"content-type: application/json"]
    if odd == "target":
        method = draw(st.sampled_from(METHODS))
        target = draw(st.sampled_from(PATHS)) + draw(st.sampled_from(BENDS)) + draw(st.sampled_from(QUERIES))
        target = draw(st.sampled_from(("", "", "", "http://x", "https://user@x:1", "//"))) + target
    elif odd == "head":
        target = draw(st.sampled_from((target, *PATHS)))
        headers = headers[: draw(st.integers(0, 2))] + draw(st.lists(st.sampled_from(HEADERS), max_size=5))
    elif odd == "body":
        body = draw(damaged(written(draw(mistaken(question.body)))))
    lines = [
        b"%s %s HTTP/1.1" % (method.encode("latin-1"), target.encode("utf-8", "surrogateescape")),
        b"host: x",
        *headers,
    ]
    if not any(line.startswith((b"content-length", b"transfer-encoding")) for line in headers):
        lines.append(b"content-length: %d" % len(body))
    data = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return draw(damaged(data)) if odd == "bytes" else data


async def say(hub: Hub, data: bytes) -> tuple[bytes, bool, bool]:
    """Send these bytes and, behind them, one good request: what came back, whether the gateway closed the line by
    itself, and whether it closed it at all once we had closed our half."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]))
    heard, hung_up = b"", False
    try:
        writer.write(data + PROBE)
        while True:
            try:
                async with asyncio.timeout(SILENCE_S if hung_up else PATIENCE_S):
                    piece = await reader.read(65_536)
            except TimeoutError:
                if hung_up:
                    return heard, False, False
                hung_up = True  # it waits for more of a body than there is
                writer.write_eof()
                continue
            if not piece:
                return heard, not hung_up, True
            heard += piece
    except ConnectionError:
        return heard, not hung_up, True
    finally:
        writer.close()


def judge(heard: bytes, by_itself: bool, closed: bool) -> None:
    """An answer that is not our fault, and a line that is closed with notice or was good for another request."""
    note(repr(heard[:1000]))
    assert closed, f"no end within {SILENCE_S} s"
    assert not heard or heard.startswith(b"HTTP/1.")
    answers = re.split(rb"HTTP/1\.1 (?=\d{3} )", heard)[1:]  # a body may speak of HTTP/1.1 too
    for answer in answers:
        status = int(answer[:3])
        assert status < 500 or status in OURS_ABOVE_500, answer[:500]
    if by_itself and answers:
        assert b"connection: close" in answers[-1].partition(b"\r\n\r\n")[0].lower()


@effort(400)
@given(batch=st.lists(requests(), min_size=1, max_size=4))
def test_whatever_comes_is_answered_or_the_line_is_closed(gate: Hub, spender: str, batch: list[bytes]) -> None:
    key = spender.encode()
    batch = [data.replace(b"KEY", key) for data in batch]

    async def all_at_once() -> list[tuple[bytes, bool, bool]]:
        return await asyncio.gather(*(say(gate, data) for data in batch))

    for data, answer in zip(batch, asyncio.run(all_at_once()), strict=True):
        note(repr(data[:1500]))
        judge(*answer)
