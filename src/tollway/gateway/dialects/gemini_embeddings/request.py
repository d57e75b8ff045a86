"""batchEmbedContents' request: peek, edit, understand, say."""

from typing import Any

import msgspec

from tollway.core.chat import ChatRequest
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Body, Edits, Envelope, Opaque, PathArgs, Target, Written, plain
from tollway.gateway.gemini_family.content import may_hold_media, model_of, question, read_wanted, said
from tollway.gateway.gemini_family.spelling import fields, wrong

WORDS = {"inputs": "requests", "dimensions": "outputDimensionality", "task": "taskType"}
MOST_INPUTS = 100
"""So many at once Google takes."""
_open_all = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def envelope(body: Body, path: PathArgs) -> Envelope:
    """The model, from the path. Raises BadRequest when there is nothing to embed."""
    if not _opened(body.get("requests")):
        raise wrong("requests", "name at least one content to be embedded")
    return Envelope(model_of(path), media=may_hold_media(body))


def _opened(given: Any) -> list[dict[str, msgspec.Raw]]:
    if given is None:
        return []
    try:
        return _open_all(given)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong("requests", "must be a list of objects") from error


def edit_request(body: Body, envelope: Envelope, edits: Edits) -> Body:
    """The body with the upstream's own name for the model in each request; every other byte stays."""
    model = f"models/{edits.model}"
    return {**body, "requests": [{**one, "model": model} for one in _opened(body.get("requests"))]}


def read_request(body: Body, envelope: Envelope, opaque: Opaque) -> ChatRequest:
    """The canonical question. Raises BadRequest naming the place (`requests[1].content.parts[0].text`), and when
    requests differ in what other dialects say of all at once.
    """
    rows = plain(body, "requests", list[Any]) or []
    wanted = [read_wanted(fields(row, f"requests[{at}]"), f"requests[{at}].") for at, row in enumerate(rows)]
    return question(wanted, envelope, tuple(name for name in body if name != "requests"))


def write_request(request: ChatRequest, target: Target) -> Written:
    """The question as a batch. Raises Unsupported naming the input that cannot be said."""
    asked = request.embedding
    if asked is None:
        raise Unsupported("this model makes embeddings only")
    if len(asked.inputs) > MOST_INPUTS:
        raise Unsupported(f"inputs: {len(asked.inputs)}; this model takes {MOST_INPUTS} at once", field="inputs")
    rows = [
        {"model": f"models/{target.model}", **said(one, asked, f"inputs[{at}]")} for at, one in enumerate(asked.inputs)
    ]
    return Written({"requests": rows}, ("user",) if request.user is not None else ())
