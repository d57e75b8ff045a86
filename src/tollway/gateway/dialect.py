"""A dialect: one wire format written down once, read in both directions.

Each `dialects/<name>/` holds four mirrors: `request`, `reply`, `stream`, `error`; its `__init__` joins them in
one `dialect = Dialect(...)`. Codecs are pure: bytes and canonical forms in, canonical forms and bytes out.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import msgspec

from tollway.core.chat import ChatRequest
from tollway.core.errors import BadRequest, Fault, TollwayError, Unsupported
from tollway.core.model import CHAT
from tollway.core.stream import Answer, StreamEvent
from tollway.core.usage import Usage
from tollway.kit.sse import Frame

Body = dict[str, Any]
"""A request's top-level fields in order. A value read from the wire is a `msgspec.Raw` span: untouched fields
are written back byte for byte. `plain` turns a value into Python objects."""

_decode_body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def open_body(data: bytes) -> Body:
    """Top-level fields without parsing what is inside them. Raises BadRequest unless `data` is a JSON object."""
    try:
        return _decode_body(data)
    except msgspec.ValidationError as error:
        raise BadRequest("the body must be a JSON object") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from error


def close_body(body: Body) -> bytes:
    """The body as bytes again."""
    return _encode(body)


def plain(body: Body, name: str, kind: Any = Any) -> Any:
    """The field as Python objects of `kind`; None when absent or null. Raises BadRequest naming the field."""
    value = body.get(name)
    if isinstance(value, msgspec.Raw):
        try:
            return msgspec.json.decode(value, type=kind | None if kind is not Any else Any)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"{name}: {error}", field=name) from error
    return value


class Envelope(msgspec.Struct, frozen=True):
    """What must be known of a request before it is understood: peeked from the body, or the path."""

    model: str | None
    stream: bool = False
    max_output: int | None = None
    answers: int = 1
    include_usage: bool = True
    """Whether the caller asked to see usage in the stream (always, but for OpenAI's stream_options)."""
    media: bool = False
    """Whether the body may hold media, which have to be weighed one by one. May be true without cause."""
    server_tools: bool = False
    """Whether the body may ask for tools that the provider runs and bills for. May be true without cause."""
    options: Mapping[str, str] = {}
    """What the body itself says of the way to be answered, for `Voice.options`."""


class Edits(msgspec.Struct, frozen=True):
    """Targeted changes to a body that passes through in its own dialect."""

    model: str
    max_output: int | None = None
    """Set (or lower) the output limit to this; None leaves it."""
    ask_usage: bool = True
    """Make sure a stream will report usage."""


class Target(msgspec.Struct, frozen=True):
    """What a writer must know of the model on the other side."""

    provider: str
    model: str
    """The upstream's own name for it."""
    max_output: int
    abilities: frozenset[str] = frozenset()


class Written(msgspec.Struct, frozen=True):
    """A canonical request said in another dialect."""

    body: Body
    dropped: tuple[str, ...] = ()
    """Names of fields, in canonical or the caller's words, that have no counterpart and change no meaning."""
    renamed: dict[str, str] = {}
    """Tool names that had to be shortened: upstream's name → the caller's."""
    unwrap_tool: str | None = None
    """Name of the tool whose arguments are really the JSON answer (structured output by forced tool)."""
    prefill: str = ""
    """Text put into the model's mouth, to be put back in front of its answer."""


class Voice(msgspec.Struct, frozen=True):
    """What a writer of answers must know of the question."""

    request_id: str
    model: str
    """The model as the caller named it."""
    created_s: int
    stream: bool = False
    include_usage: bool = True
    input_estimate: int = 0
    """Prompt tokens as counted before the call, for dialects that want them up front."""
    framing: str = "sse"
    """`sse`, or `array` for Gemini's JSON array streams."""
    opaque: "Opaque | None" = None
    options: Mapping[str, str] = {}
    """Surface options, e.g. `text_event` of the hub's dialect; the envelope's own are laid over the route's."""
    closing: Callable[[], Mapping[str, object]] | None = None
    """Facts known only at the end of a call (charge, model that answered), for dialects that tell them."""


class Glance(msgspec.Struct, frozen=True):
    """What the books need of an answer that passes through unread."""

    usage: Usage | None
    empty: bool
    """Nothing was said: no text, thought, tool call, picture or sound."""
    finish: str = ""


class Decoder(Protocol):
    """A provider's stream, frame by frame, as canonical events. Exactly one terminal event in all."""

    def frame(self, frame: Frame) -> list[StreamEvent]:
        """The events one whole SSE frame tells; never raises: garbage is `Failed`. Nothing after a terminal."""

    def close(self) -> list[StreamEvent]:
        """At the end of the bytes: `Cut` unless the terminal event was told (with open tools ended first)."""


class Encoder(Protocol):
    """Canonical events as the caller's stream."""

    def write(self, event: StreamEvent) -> bytes:
        """The bytes this event makes, often none. A terminal event makes the stream's last bytes."""

    def heartbeat(self) -> bytes:
        """Bytes that mean nothing, sent between events to keep the connection warm."""


class Reframer(Encoder, Protocol):
    """A stream that passes through in its own dialect, but in another framing than the provider's SSE."""

    def pass_on(self, frame: Frame) -> bytes:
        """One frame in the caller's framing, its JSON untouched."""

    def pass_end(self) -> bytes:
        """The end of the stream."""


class Opaque:
    """Carries a provider's seal through a dialect that has a slot for a seal, but only for its own.

    `relay1.<family>.<base64url payload>.<base64url HMAC-SHA256>` (relay.md 6.21c).
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, family: str, payload: str) -> str:
        """Wrap `payload` of `family`."""
        text = f"relay1.{family}.{_b64(payload.encode())}"
        return f"{text}.{_b64(self._mac(text))}"

    def unseal(self, text: str) -> tuple[str, str] | None:
        """(family, payload) when `text` is ours and untouched; None otherwise."""
        head, _, mac = text.rpartition(".")
        if not head.startswith("relay1.") or not hmac.compare_digest(_b64(self._mac(head)), mac):
            return None
        _, family, payload = head.split(".", 2)
        return family, base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()

    def _mac(self, text: str) -> bytes:
        return hmac.new(self._key, text.encode(), hashlib.sha256).digest()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


Words = Mapping[str, str | tuple[str, ...]]
"""Canonical field → its path in a dialect's body (`max_output` → `generationConfig.maxOutputTokens`); several where
the dialect has several spellings, the usual one first. A field that is missing goes by its canonical name."""
PathArgs = Mapping[str, str]
"""What the path said: Gemini's `model` and `action`."""


def never_streams(*said: object) -> NoReturn:
    """The decoder and encoder of a dialect whose answers are always whole. Raises Unsupported."""
    raise Unsupported("these answers are never streamed", field="stream")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format. Writers that only providers or only surfaces need may be left out by one-way dialects."""

    name: str
    family: str
    """Whose seals (signatures) this dialect carries natively: `openai`, `anthropic`, `gemini`, `hub`."""
    envelope: Callable[[Body, PathArgs], Envelope]
    """Peek; raises BadRequest naming the field when model, stream or the limit has the wrong type."""
    read_request: Callable[[Body, Envelope, Opaque], ChatRequest]
    """Understand; raises BadRequest naming the field (`messages[2].content[0].image_url`)."""
    write_request: Callable[[ChatRequest, Target], Written]
    """Say a canonical request; raises Unsupported naming what cannot be said."""
    edit_request: Callable[[Body, Envelope, Edits], Body]
    """Targeted edits of a body already in this dialect; returns a new dict, other fields untouched."""
    glance: Callable[[bytes], Glance]
    """Usage of a whole answer in this dialect, cheaply. Raises ValueError on what is not an answer."""
    read_reply: Callable[[bytes], Answer]
    """Understand a whole answer. Raises ValueError on what is not an answer, Fault on an error in a 200."""
    write_reply: Callable[[Answer, Voice], bytes]
    decoder: Callable[[], Decoder]
    encoder: Callable[[Voice], Encoder]
    read_error: Callable[[int, Mapping[bytes, bytes], bytes], Fault]
    """An upstream's non-200 answer as a fault with remedy by relay.md 4.5; keeps the provider's message."""
    write_error: Callable[[TollwayError, str], tuple[int, bytes]]
    """(status, body) of an error in the caller's envelope; the request id is appended to the message."""
    instruct: Callable[[Body, str, bool], Body] | None = None
    """Says a system prompt in a body that has none, or (True) also before the one it has; returns a new dict, or the
    very same where nothing is added. Raises BadRequest for what is no body of this dialect."""
    hides_usage: bool = False
    """OpenAI only: a usage frame is not shown unless the caller asked for it."""
    content_type: bytes = b"text/event-stream; charset=utf-8"
    media_markers: tuple[bytes, ...] = field(default=())
    """Byte strings one of which occurs in any body that holds media."""
    words: Words = field(default_factory=dict)
    """What this dialect calls the canonical form's fields, for refusals and `x-tollway-dropped`."""
    passes: tuple[bytes, ...] = field(default=())
    """Request headers that go on unchanged when both sides speak this dialect (`anthropic-beta`)."""
    reframer: Callable[[Voice], Reframer | None] = lambda voice: None
    """For dialects that stream in more than one framing: None when the caller takes SSE as it is."""
    widens_limit: bool = False
    """`write_request` may raise the caller's output limit, to make room for thinking beside the answer."""
    breaks_off: bool = False
    """A stream that failed is also closed without a proper end: some clients take its error event for a chunk."""
    closes: Callable[[Any, Usage], bytes] | None = None
    """The end that we put to a stream that passed through, cut at its limit, from its decoder and what was counted;
    None: the encoder can say it without knowing what is open."""
    write_count: Callable[[int], bytes] | None = None
    """A token count in the shape of this dialect's own counting endpoint."""
    type: str = CHAT
    """What kind of model it is spoken with: `chat` or `embedding`."""
    one_way: bool = False
    """Spoken to callers only: what a provider's direction needs raises Unsupported."""
