"""Server-sent events: frames out of bytes cut anywhere, and frames into bytes."""

import msgspec

LF = 10
MAX_FRAME = 128 * 1024 * 1024


class SseError(ValueError):
    """A frame is larger than the limit."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event: its name, its data with several lines joined by LF, and the bytes it came as."""

    event: bytes
    """Empty when the frame names none."""
    data: bytes
    """Empty for a frame of comments only."""
    raw: bytes
    """The whole frame with its closing blank line."""


class SseReader:
    """Cuts a stream into frames; LF, CRLF and CR line ends, any split of the bytes."""

    __slots__ = ("_limit", "_tail")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._tail = b""
        self._limit = limit

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`. Raises SseError when one outgrows the limit."""
        if self._tail:
            data = self._tail + data
        elif data[:6] == b"data: " and data.find(b"\n", 6) == len(data) - 2 and data[-1] == LF and b"\r" not in data:
            return [Frame(b"", data[6:-2], data)]  # one whole frame of one line: by far the most common read
        if b"\r" in data:
            return self._feed_any_line_end(data)
        end = data.rfind(b"\n\n")
        if end < 0:
            self._keep(data)
            return []
        self._keep(data[end + 2 :])
        return [parse(block + b"\n\n") for block in data[:end].split(b"\n\n") if block.strip(b"\n")]

    def close(self) -> list[Frame]:
        """What is left at the end of the stream, if it makes a frame (some servers leave off the last blank line)."""
        rest, self._tail = self._tail, b""
        return [parse(rest)] if rest.strip(b"\r\n") else []

    def _keep(self, tail: bytes) -> None:
        if len(tail) > self._limit:
            raise SseError(f"an event is larger than {self._limit} bytes")
        self._tail = tail

    def _feed_any_line_end(self, data: bytes) -> list[Frame]:
        held = b"\r" if data.endswith(b"\r") else b""
        text = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = text.rfind(b"\n\n")
        if end < 0:
            self._keep(text + held)
            return []
        self._keep(text[end + 2 :] + held)
        return [parse(block + b"\n\n") for block in text[:end].split(b"\n\n") if block.strip(b"\n")]


def parse(raw: bytes) -> Frame:
    """One frame from its bytes (LF line ends)."""
    if raw.startswith(b"data: ") and raw.find(b"\n", 6) == len(raw) - 2:
        return Frame(b"", raw[6:-2], raw)
    event, data = b"", []
    for line in raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
    return Frame(event, b"\n".join(data), raw)


def frame(data: bytes, event: bytes = b"") -> bytes:
    """One event as bytes; `data` must hold no line end (JSON never does)."""
    if event:
        return b"event: " + event + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"


def comment(text: bytes) -> bytes:
    """A comment frame: keeps a connection warm, means nothing."""
    return b": " + text + b"\n\n"
