"""The head of an answer: who answered, what was held and what is left, what was dropped."""

from urllib.parse import quote

from tollway.core.money import told
from tollway.gateway.pipeline.call import Call
from tollway.gateway.routing.plan import Candidate

Lines = tuple[tuple[bytes, bytes], ...]
JSON: Lines = ((b"content-type", b"application/json"),)
UNBUFFERED: Lines = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
NAMES_MAX, NAME_MAX = 24, 80
PLAIN = " !#$&'()*+/:;=?@[]"


def stream_type(call: Call) -> Lines:
    """The content type of a stream, by the framing the caller asked for; nothing on the way may buffer it."""
    if call.options.get("framing") == "array":
        return JSON + UNBUFFERED
    return ((b"content-type", call.dialect.content_type), *UNBUFFERED)


def head_lines(call: Call, candidate: Candidate, kind: Lines, dropped: tuple[str, ...], held: int, left: int) -> Lines:
    """Response headers; `kind` says what the body is, `held` and `left` are nano-dollars."""
    name = call.id.encode()
    lines = (
        *kind,
        (b"x-request-id", name),
        *candidate.said_by,
        (b"x-tollway-hold", told(held)),
        (b"x-tollway-credits-remaining", told(left)),
    )
    if call.dialect.family == "anthropic":
        lines += ((b"request-id", name),)  # where the vendor's SDK looks for it
    return (*lines, (b"x-tollway-dropped", ", ".join(dropped).encode())) if dropped else lines


def listed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Field names as a header line and a receipt can bear them, whatever a caller called his fields."""
    if not names:
        return ()
    each = tuple(dict.fromkeys(quote(name[:NAME_MAX], safe=PLAIN) for name in names))
    rest = len(each) - NAMES_MAX
    return (*each[:NAMES_MAX], f"and {rest} more") if rest > 0 else each
