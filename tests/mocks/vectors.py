"""What the two vendors' stand-ins say to whoever wants vectors: strict about what they are asked, always the same."""

import base64
import hashlib
import struct
from typing import Any

DIMENSIONS = 8
_OPENAI = {"model", "input", "encoding_format", "dimensions", "user"}
_GEMINI = {"model", "content", "taskType", "title", "outputDimensionality"}
_TASKS = {
    *("RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING"),
    *("QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY", "TASK_TYPE_UNSPECIFIED"),
}


class Unfit(Exception):
    """The vendor's 400."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def vector(text: str, size: int = DIMENSIONS) -> list[float]:
    """The vector of a text: numbers that 32 bits hold exactly."""
    return [hashlib.sha256(f"{at} {text}".encode()).digest()[0] / 256 - 0.5 for at in range(size)]


def tokens_of(one: str | list[int]) -> int:
    """As the vendors count."""
    return len(one.split()) if isinstance(one, str) else len(one)


def openai_vectors(body: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's answer. Raises Unfit."""
    for name in body:
        _must(name in _OPENAI, f"Unrecognized request argument supplied: {name}", name)
    _must(str(body.get("model")).startswith("text-embedding-"), "This is not an embedding model.", "model")
    inputs = _inputs(body.get("input"))
    size = body.get("dimensions", DIMENSIONS)
    _must(isinstance(size, int) and 0 < size <= 3072, "Invalid value for dimensions.", "dimensions")
    form = body.get("encoding_format", "float")
    _must(form in ("float", "base64"), "Invalid encoding_format.", "encoding_format")
    rows = []
    for at, one in enumerate(inputs):
        numbers = vector(str(one), size)
        said = base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode() if form == "base64" else numbers
        rows.append({"object": "embedding", "index": at, "embedding": said})
    count = sum(tokens_of(one) for one in inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "data": rows, "model": body["model"], "usage": usage}


def _inputs(given: Any) -> list[Any]:
    if isinstance(given, str):
        given = [given]
    _must(isinstance(given, list) and bool(given), "'$.input' is invalid.", "input")
    if all(isinstance(one, int) for one in given):
        given = [given]
    _must(len(given) <= 2048, "'$.input' is too long.", "input")
    alike = all(isinstance(one, str) for one in given) or all(isinstance(one, list) for one in given)
    _must(alike and all(given), "'$.input' is invalid.", "input")
    return list(given)


def gemini_vectors(body: dict[str, Any], model: str, action: str) -> dict[str, Any]:
    """Google's answer. Raises Unfit."""
    if action == "embedContent":
        return {"embedding": _google(body, model)}
    _must(set(body) == {"requests"}, "Invalid JSON payload received.")
    rows = body["requests"]
    _must(0 < len(rows) <= 100, "at most 100 requests can be in one batch")
    for row in rows:
        _must(row.get("model") == f"models/{model}", "The model of each request must match the one of the batch.")
    return {"embeddings": [_google(row, model) for row in rows]}


def _google(row: dict[str, Any], model: str) -> dict[str, Any]:
    for name in row:
        _must(name in _GEMINI, f'Invalid JSON payload received. Unknown name "{name}"')
    _must(row.get("taskType", "CLUSTERING") in _TASKS, "Invalid value at 'task_type'")
    size = row.get("outputDimensionality", DIMENSIONS)
    _must(isinstance(size, int) and 0 < size <= 3072, "Invalid output_dimensionality")
    text = "\n".join(part["text"] for part in row["content"]["parts"])
    _must(bool(text), "content is required")
    return {"values": vector(text, size)}


def _must(holds: bool, message: str, param: str | None = None) -> None:
    if not holds:
        raise Unfit(message, param)
