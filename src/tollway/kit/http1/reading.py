"""Turns the bytes of one connection into requests, or into the reason to refuse them."""

import logging

import httptools
import msgspec

from tollway.kit.http1.familiar import MOST_DIGITS, Familiar, Memory
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.wire import Answer, Request, Screen

log = logging.getLogger(__name__)

IDLE, HEAD, BODY = 0, 1, 2
"""Where the reader stands: between requests, inside a head, inside a body."""


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A whole request and what its connection line asked for."""

    request: Request
    keep_alive: bool
    http10: bool


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Why the connection ends here. `answer` is set when the screen wrote its own."""

    status: int
    code: str
    message: str
    path: str | None = None
    answer: Answer | None = None
    is_head: bool = False


class _Stop(Exception):
    """Leaves the parser; the reason is in `refused`."""


class RequestReader:
    """One connection's incoming side. Strict: what two readers could understand differently is refused."""

    __slots__ = (
        "_body", "_body_size", "_dry", "_feeding", "_head_bytes", "_headers", "_http10", "_is_replay", "_keep_alive",
        "_limits", "_memory", "_method", "_parser", "_peer", "_pieces", "_screen", "_target", "_whole", "phase",
        "ready", "refused", "wants_continue",
    )  # fmt: skip

    def __init__(
        self, limits: Limits, screen: Screen | None, peer: str, heads: dict[tuple[bytes, bytes], Familiar]
    ) -> None:
        """`heads` is what the connections of one server know of their clients' heads."""
        self._limits = limits
        self._memory = Memory(heads)
        self._whole = 0
        """Requests that came in one read by themselves."""
        self._screen = screen
        self._peer = peer
        self.ready: list[Asked] = []  # a deque is ten times as large, and there is hardly ever more than one
        """Whole requests in the order they came."""
        self.refused: Refused | None = None
        """Set once, after the last of `ready`: nothing more will be read."""
        self.phase = IDLE
        self.wants_continue = False
        """The client waits for `100 Continue` before it sends the body."""
        self._is_replay = False
        self._feeding = 0
        self._parser = httptools.HttpRequestParser(self)
        self._begin()

    def again(self, data: bytes) -> Asked | None:
        """A whole request whose head the connection has sent before; None when `data` has to be fed."""
        if self.phase != IDLE or self.ready:
            return None
        recalled = self._memory.recall(data)
        if recalled is None:
            return None
        head, headers, body = recalled
        if len(body) > self._limits.max_body:
            return None
        return Asked(Request(head.method, head.path, head.query, headers, body, self._peer), True, False)

    def feed(self, data: bytes) -> None:
        """Read on. Never raises; see `ready` and `refused`."""
        self._feeding = size = len(data)
        before = len(self.ready)
        was_idle = self.phase == IDLE
        self._dry += size
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self._give_up(error)
            return
        is_fresh = len(self.ready) == before
        if was_idle and not before and len(self.ready) == 1 and self.phase == IDLE:
            self._note_whole(data, self.ready[0])
        if self.phase == IDLE and is_fresh:
            self.phase = HEAD
        if self.phase == HEAD and is_fresh:
            self._head_bytes += size
            if self._head_bytes > self._limits.max_header_bytes:
                self._refuse_size()
        elif self.phase == BODY and self._dry > self._limits.max_header_bytes:
            self.refused = Refused(431, "trailers_too_large", "Chunk extensions or trailers are too large.")

    def _note_whole(self, data: bytes, asked: Asked) -> None:
        """Learn the head of a client that asks again and again; one request says nothing yet."""
        self._whole += 1
        request = asked.request
        head_size = len(data) - len(request.body) + MOST_DIGITS
        if self._whole > 1 and asked.keep_alive and not asked.http10 and head_size <= self._limits.max_header_bytes:
            self._memory.learn(data, request.method, request.path, request.query, request.headers)

    def _parse(self, data: bytes) -> None:
        """Feed llhttp, on past every `Upgrade`: we do not follow any."""
        while data:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            if self._is_replay:
                self._read_body_despite_upgrade()

    def _read_body_despite_upgrade(self) -> None:
        """llhttp takes what follows for another protocol; a new parser takes it for the body it is."""
        self._parser = httptools.HttpRequestParser(self)
        name = b"content-length" if b"content-length" in self._headers else b"transfer-encoding"
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b: %b\r\n\r\n" % (name, self._headers[name]))

    def _give_up(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if self.refused is not None or self._is_last():
            return
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            log.error("reading a request failed: %s", type(cause).__name__)
            self.refused = Refused(500, "internal_error", "The request could not be read.", self._path_or_none())
            return
        self.refused = Refused(400, "bad_request", f"Malformed HTTP: {error}", self._path_or_none())

    def _refuse_size(self) -> None:
        if self._headers:
            self.refused = Refused(
                431, "headers_too_large", "The request's headers are too large.", self._path_or_none()
            )
        else:
            self.refused = Refused(414, "uri_too_long", "The request's target is too long.")

    def _is_last(self) -> bool:
        """Whether the request before these bytes already said it was the last: then they do not matter."""
        return bool(self.ready) and not self.ready[-1].keep_alive

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._pieces: list[bytes] | None = None
        self._body_size = self._head_bytes = self._dry = 0

    def _stop(self, status: int, code: str, message: str) -> _Stop:
        self.refused = Refused(status, code, message, self._path_or_none(), None, self._parser.get_method() == b"HEAD")
        return _Stop()

    def _path_or_none(self) -> str | None:
        try:
            return split_target(self._target)[0] if self._target else None
        except ValueError:
            return None

    # llhttp calls these.

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        if self._is_replay:
            return
        self.phase = HEAD
        self._target = self._target + url if self._target else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line, or one trailer line, which nobody reads."""
        if self.phase == BODY:
            return
        name = name.lower()
        if value and value[-1] <= 32:
            value = value.rstrip(b" \t")
        headers = self._headers
        if name not in headers:
            headers[name] = value
            return
        if name == b"host":
            raise self._stop(400, "bad_request", "More than one Host header.")
        headers[name] = headers[name] + (b"; " if name == b"cookie" else b", ") + value

    def on_headers_complete(self) -> None:
        """The head is whole: decide whether to read the body."""
        if self._is_replay:
            self._is_replay = False
            return
        self._check_head()
        self.phase = BODY
        self._dry = 0
        parser = self._parser
        self._keep_alive = parser.should_keep_alive()
        self._method = parser.get_method().decode("ascii")
        headers = self._headers
        has_body = b"content-length" in headers or b"transfer-encoding" in headers
        if has_body:
            self._check_body_to_come()
        if self._screen is not None:
            self._ask_screen(self._screen)
        self._is_replay = has_body and parser.should_upgrade()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._dry = 0
        self._body_size += len(data)
        if self._body_size > self._limits.max_body:
            raise self._stop(413, "body_too_large", f"The body is larger than {self._limits.max_body} bytes.")
        self.wants_continue = False
        if not self._body:
            self._body = data
        elif self._pieces is None:
            self._pieces = [self._body, data]
        else:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._is_replay:
            return
        if len(self.ready) > self._limits.max_pipelined:
            raise self._stop(503, "too_many_pipelined", "Too many requests were sent before their answers.")
        path, query = split_target(self._target)
        body = self._body if self._pieces is None else b"".join(self._pieces)
        request = Request(self._method, path, query, self._headers, body, self._peer)
        self.ready.append(Asked(request, self._keep_alive, self._http10))
        self.phase = IDLE
        self.wants_continue = False
        self._begin()

    def _check_head(self) -> None:
        limits = self._limits
        headers = self._headers
        version = self._parser.get_http_version()
        self._http10 = version == "1.0"
        if version != "1.1" and not self._http10:
            raise self._stop(505, "http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if self._head_bytes + self._feeding > limits.max_header_bytes:
            self._check_head_size()
        if len(headers) > limits.max_headers:
            raise self._stop(431, "too_many_headers", f"More than {limits.max_headers} headers.")
        if not self._http10 and b"host" not in headers:
            raise self._stop(400, "bad_request", "The Host header is missing.")
        if self._target[:1] != b"/" or b"#" in self._target:
            try:
                split_target(self._target)
            except ValueError as error:
                raise self._stop(400, "bad_request", str(error)) from None

    def _check_head_size(self) -> None:
        limit = self._limits.max_header_bytes
        if len(self._target) > limit:
            raise self._stop(414, "uri_too_long", "The request's target is too long.")
        size = len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._headers.items())
        if size > limit:
            raise self._stop(431, "headers_too_large", "The request's headers are too large.")

    def _check_body_to_come(self) -> None:
        headers = self._headers
        coding = headers.get(b"transfer-encoding")
        if coding is not None:
            if self._http10:
                raise self._stop(400, "bad_request", "HTTP/1.0 has no Transfer-Encoding.")
            if coding.lower() != b"chunked":
                raise self._stop(501, "transfer_encoding", "Only the chunked transfer encoding is understood.")
        elif int(headers[b"content-length"]) > self._limits.max_body:
            raise self._stop(413, "body_too_large", f"The body is larger than {self._limits.max_body} bytes.")
        expect = headers.get(b"expect")
        if expect is not None and not self._http10:
            if expect.lower() != b"100-continue":
                raise self._stop(417, "expectation_failed", "Only `Expect: 100-continue` is understood.")
            self.wants_continue = True

    def _ask_screen(self, screen: Screen) -> None:
        path, query = split_target(self._target)
        answer = screen(Request(self._method, path, query, self._headers, b"", self._peer))
        if answer is not None:
            self.refused = Refused(answer[0], "", "", path, answer, self._method == "HEAD")
            raise _Stop


def split_target(target: bytes) -> tuple[str, str]:
    """Path and query of an origin-form, absolute-form or `*` target. Raises ValueError for any other."""
    if b"#" in target:
        raise ValueError("The target has a fragment.")
    if target[:1] != b"/" and target != b"*":
        scheme, found, rest = target.partition(b"://")
        if not found or scheme.lower() not in (b"http", b"https"):
            raise ValueError("The target is neither a path nor a URL.")
        start = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
        target = rest[start:] if rest[start : start + 1] == b"/" else b"/" + rest[start:]
    path, _, query = target.partition(b"?")
    return path.decode("ascii"), query.decode("ascii")
