"""embedContent's request: peek, edit, understand, say."""

from typing import Any

from tollway.core.chat import ChatRequest
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Body, Edits, Envelope, Opaque, PathArgs, Target, Written, plain
from tollway.gateway.gemini_family.content import may_hold_media, model_of, question, read_wanted, said
from tollway.gateway.gemini_family.spelling import fields, wrong

WORDS = {"inputs": "content", "dimensions": "outputDimensionality", "task": "taskType"}


def envelope(body: Body, path: PathArgs) -> Envelope:
    """The model, from the path. Raises BadRequest when there is nothing to embed."""
    if "content" not in body:
        raise wrong("content", "what is to be embedded is missing")
    return Envelope(model_of(path), media=may_hold_media(body))


def edit_request(body: Body, envelope: Envelope, edits: Edits) -> Body:
    """The body, told the upstream's name for the model where it repeats it; every other byte stays."""
    return {**body, "model": f"models/{edits.model}"} if "model" in body else dict(body)


def read_request(body: Body, envelope: Envelope, opaque: Opaque) -> ChatRequest:
    """The canonical question. Raises BadRequest naming the place (`content.parts[0].text`)."""
    given: dict[str, Any] = {name: plain(body, name) for name in body}
    return question([read_wanted(fields(given, ""), "")], envelope, ())


def write_request(request: ChatRequest, target: Target) -> Written:
    """The question as one content. Raises Unsupported when there are several, or it cannot be said."""
    asked = request.embedding
    if asked is None or len(asked.inputs) != 1:
        raise Unsupported("inputs: exactly one can be embedded at this address", field="inputs")
    row = said(asked.inputs[0], asked, "inputs")
    return Written({"model": f"models/{target.model}", **row}, ("user",) if request.user is not None else ())
