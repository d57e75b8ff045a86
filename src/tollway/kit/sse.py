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

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._pieces: list[bytes] = []
        """An unfinished frame as it came: joined once, when its end is there, however many reads it takes."""
        self._size = 0
        self._limit = limit

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`. Raises SseError when one outgrows the limit."""
        pieces = self._pieces
        if pieces:
            seam = pieces[-1][-1:] + data
            if b"\n\n" not in seam and b"\r" not in seam:
                self._keep(data)
                return []
            data = b"".join(pieces) + data
            pieces.clear()
            self._size = 0
        elif data[:6] == b"data: " and data.find(b"\n", 6) == len(data) - 2 and data[-1] == LF and b"\r" not in data:
            return [Frame(b"", data[6:-2], data)]  # one whole frame of one line: by far the most common read
        held = b""
        if b"\r" in data:
            held = b"\r" if data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = data.rfind(b"\n\n")
        if end < 0:
            self._keep(data + held)
            return []
        self._keep(data[end + 2 :] + held)
        return [parse(block + b"\n\n") for block in data[:end].split(b"\n\n") if block.strip(b"\n")]

    def close(self) -> list[Frame]:
        """What is left at the end of the stream, if it makes a frame (some servers leave off the last blank line)."""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return [parse(rest)] if rest.strip(b"\r\n") else []

    def _keep(self, tail: bytes) -> None:
        self._size += len(tail)
        if self._size > self._limit:
            raise SseError(f"an event is larger than {self._limit} bytes")
        if tail:
            self._pieces.append(tail)


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
