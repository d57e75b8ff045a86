"""OpenAI's embedding request: peek, edit, understand, say."""

from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.chat import ChatRequest
from tollway.core.embedding import Embedding, Foreign, Input
from tollway.core.errors import BadRequest, Unsupported
from tollway.gateway.dialect import Body, Edits, Envelope, Opaque, PathArgs, Target, Written, plain
from tollway.gateway.openai_family.fields import wrong

WORDS = {"inputs": "input"}
MOST_INPUTS = 2048
FLOAT, BASE64 = "float", "base64"
_KNOWN = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
_spans = msgspec.json.Decoder(list[msgspec.Raw]).decode
_tokens = msgspec.json.Decoder(list[int]).decode
_string = msgspec.json.Decoder(str).decode
_Raw = msgspec.Raw | bytes


def envelope(body: Body, path: PathArgs) -> Envelope:
    """Model and the form of the answer; what is to be embedded is looked at, not read.

    Raises BadRequest naming the field when there is nothing to embed, or too much, or the form is none.
    """
    model = plain(body, "model", str)
    if not model or model == "auto":
        raise BadRequest("model: name the model that makes the vectors", field="model")
    form = plain(body, "encoding_format", str) or FLOAT
    if form not in (FLOAT, BASE64):
        raise wrong("encoding_format", f"{FLOAT!r} or {BASE64!r}")
    dimensions = plain(body, "dimensions", int)
    if dimensions is not None and dimensions < 1:
        raise wrong("dimensions", "a whole number above zero")
    plain(body, "user", str)
    _look(body.get("input"))
    return Envelope(model, options={"encoding_format": form})


def _look(given: Any) -> None:
    """Raises BadRequest unless it is one to MOST_INPUTS inputs, all of one kind and none of them empty."""
    if given is None or bytes(given) == b"null":
        raise BadRequest("input: what is to be embedded is missing", field="input")
    span = bytes(given)
    if span[:1] == b'"':
        if span == b'""':
            raise BadRequest("input: must not be empty", field="input")
        return
    if span[:1] != b"[":
        raise wrong("input", "a string, or an array of strings or of tokens")
    spans = _spans(span)
    if not spans:
        raise BadRequest("input: must not be empty", field="input")
    kind = _kind(spans[0])
    if kind == "number":
        _read_tokens(span, "input")
        return
    if len(spans) > MOST_INPUTS:
        raise BadRequest(f"input: {len(spans)} inputs; at most {MOST_INPUTS} at once", field="input")
    for at, one in enumerate(spans):
        if not kind or _kind(one) != kind:
            raise wrong(f"input[{at}]", "a string or an array of tokens, and all inputs of one kind")
        if len(one) == 2:
            raise BadRequest(f"input[{at}]: must not be empty", field=f"input[{at}]")


def _kind(span: _Raw) -> str:
    first = bytes(memoryview(span)[:1])
    return "text" if first == b'"' else "tokens" if first == b"[" else "number" if first in b"-0123456789" else ""


def edit_request(body: Body, envelope: Envelope, edits: Edits) -> Body:
    """The body under the upstream's own name for the model; every other byte stays."""
    return {**body, "model": edits.model}


def read_request(body: Body, envelope: Envelope, opaque: Opaque) -> ChatRequest:
    """The canonical question. Raises BadRequest naming the place (`input[3]`)."""
    return ChatRequest(
        model=envelope.model or "",
        messages=(),
        user=plain(body, "user", str),
        embedding=Embedding(inputs=_inputs(bytes(body["input"])), dimensions=plain(body, "dimensions", int)),
        leftover=tuple(name for name in body if name not in _KNOWN),
    )


def _inputs(span: bytes) -> tuple[Input, ...]:
    if span[:1] == b'"':
        return (_read_text(span, "input"),)
    spans = _spans(span)
    kind = _kind(spans[0])
    if kind == "number":
        return (_read_tokens(span, "input"),)
    read: Callable[[_Raw, str], Input] = _read_text if kind == "text" else _read_tokens
    return tuple([read(one, f"input[{at}]") for at, one in enumerate(spans)])


def _read_text(span: _Raw, path: str) -> str:
    try:
        return _string(span)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong(path, "a string") from error


def _read_tokens(span: _Raw, path: str) -> tuple[int, ...]:
    try:
        tokens = _tokens(span)
    except msgspec.DecodeError as error:
        raise wrong(path, "an array of tokens, which are whole numbers") from error
    if not tokens:
        raise BadRequest(f"{path}: must not be empty", field=path)
    return tuple(tokens)


def write_request(request: ChatRequest, target: Target) -> Written:
    """The question as an embedding body. Raises Unsupported naming the input that cannot be said."""
    asked = request.embedding
    if asked is None:
        raise Unsupported("this model makes embeddings only")
    body: Body = {"model": target.model, "input": [_said(one, at) for at, one in enumerate(asked.inputs)]}
    body["encoding_format"] = FLOAT
    if asked.dimensions is not None:
        body["dimensions"] = asked.dimensions
    if request.user is not None:
        body["user"] = request.user
    return Written(body, tuple(name for name in ("task", "title") if getattr(asked, name) is not None))


def _said(one: Input, at: int) -> str | list[int]:
    if isinstance(one, Foreign):
        raise Unsupported(f"inputs[{at}]: only text can be embedded by this model", field=f"inputs[{at}]")
    return one if isinstance(one, str) else list(one)
