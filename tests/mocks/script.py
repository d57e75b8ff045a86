"""What every mock answers, told by marks in the last user's text; knows no vendor's format."""

import base64
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

THOUGHT = "let me think about it"
CITED_URL = "https://example.com/source"
CITED_TITLE = "A source"
REFUSAL = "I cannot help with that"
_MARK = re.compile(r"\[\[(think|redact|refuse|length|stop|cite|image|cached|empty|nousage|long:\d+|slow:\d+)\]\]")
_TOOL = re.compile(r"\[\[tool:([\w.-]+)\s*")


def _png() -> bytes:
    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(b"\0\x7f")) + block(b"IEND", b"")


PNG = _png()
"""A grey picture of one pixel."""


def sign(text: str) -> str:
    """The mock's seal of a thought."""
    return base64.b64encode(hashlib.sha256(b"mock:" + text.encode()).digest()).decode()


@dataclass(frozen=True)
class Medium:
    """A picture, sound or document as the mock received it: bytes, or a URL it would fetch."""

    kind: str
    """`image`, `audio`, `video`, `file`."""
    mime: str
    data: bytes | None = None
    url: str = ""

    def __str__(self) -> str:
        if self.data is None:
            return f"[{self.kind} url {self.url}]"
        digest = hashlib.sha256(self.data).hexdigest()[:8]
        return f"[{self.kind} {self.mime} {len(self.data)} bytes sha256:{digest}]"


@dataclass(frozen=True)
class ToolSaid:
    """One tool result of the last turn."""

    text: str
    media: Sequence[Medium] = ()
    is_error: bool = False

    def __str__(self) -> str:
        words = [self.text] if self.text else []
        return " ".join(["error:"] * self.is_error + words + [str(medium) for medium in self.media])


@dataclass
class Question:
    """What a vendor's mock understood of a request."""

    last_user: str
    """All text of the last user turn that is not a tool result."""
    texts: Sequence[str]
    """Every text of every turn but the system's, for counting."""
    media: Sequence[Medium] = ()
    """Those of the last user turn."""
    all_media: int | None = None
    """Media in the whole conversation; None: those of the last turn and of the results."""
    results: Sequence[ToolSaid] = ()
    """Tool results after the last assistant turn; empty when the last turn is the user's words."""
    tools: Sequence[str] = ()
    """Names declared."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema demanded of the answer; `{}` for any object."""
    reasoning: bool = False
    limit: int | None = None
    """Most output tokens: the mock stops at that many words."""


@dataclass(frozen=True)
class Call:
    """A tool the mock calls."""

    name: str
    args: dict[str, Any]

    @property
    def args_json(self) -> str:
        """The arguments as JSON text."""
        return json.dumps(self.args)

    @property
    def fragments(self) -> list[str]:
        """The arguments cut in at least two."""
        text = self.args_json
        size = max(1, min(7, len(text) // 2))
        return [text[i : i + size] for i in range(0, len(text), size)]


@dataclass(frozen=True)
class Usage:
    """Tokens, as words. `input` holds the uncached ones and both caches."""

    input: int
    output: int
    reasoning: int = 0
    """Part of `output`."""
    cache_read: int = 0
    cache_write: int = 0


@dataclass
class Scene:
    """The mock's whole answer, for a vendor's mock to say in its own format."""

    text: str = ""
    thought: str = ""
    redacted: bool = False
    """Whether a thought comes in encrypted form (only Anthropic has such)."""
    calls: list[Call] = field(default_factory=list)
    refusal: str = ""
    finish: str = "stop"
    """`stop`, `tool`, `length`, `stop_sequence`, `refusal`."""
    image: bytes | None = None
    cited: bool = False
    """Whether the text leans on CITED_URL."""
    usage: Usage | None = None
    delay_s: float = 0.0

    @property
    def signature(self) -> str:
        """Seal of the thought."""
        return sign(self.thought)


def pieces(text: str) -> list[str]:
    """Text in word pieces that join to the same text."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+$", text)


def words(text: str) -> int:
    """How many words, the mocks' tokens."""
    return len(text.split())


def play(question: Question) -> Scene:
    """The scene that this question asks for; the same question always makes the same scene."""
    marks, calls, rest = _directions(question.last_user)
    scene = Scene(delay_s=_number(marks, "slow:") / 1000, cited="cite" in marks)
    if question.reasoning and "think" in marks:
        scene.thought = THOUGHT
    scene.redacted = question.reasoning and "redact" in marks
    calls = [call for call in calls if call.name in question.tools]
    if question.results:
        scene.text = "tool said: " + "; ".join(str(result) for result in question.results)
    elif calls:
        scene.calls, scene.finish = calls, "tool"
    else:
        _speak(scene, question, marks, rest)
    if question.limit is not None and words(scene.text) > question.limit:
        scene.text, scene.finish = "".join(pieces(scene.text)[: question.limit]), "length"
    scene.usage = None if "nousage" in marks else _usage(scene, question, "cached" in marks)
    return scene


def _directions(text: str) -> tuple[set[str], list[Call], str]:
    calls: list[Call] = []
    while found := _TOOL.search(text):
        end, args = found.end(), dict[str, Any]()
        if text[end : end + 1] == "{":
            args, end = json.JSONDecoder().raw_decode(text, end)
        calls.append(Call(found[1], args))
        text = text[: found.start()] + text[text.index("]]", end) + 2 :]
    return set(_MARK.findall(text)), calls, " ".join(_MARK.sub(" ", text).split())


def _number(marks: set[str], name: str) -> int:
    return next((int(mark[len(name) :]) for mark in marks if mark.startswith(name)), 0)


def _speak(scene: Scene, question: Question, marks: set[str], rest: str) -> None:
    if "empty" in marks:
        return
    if "refuse" in marks:
        scene.refusal, scene.finish = REFUSAL, "refusal"
        return
    if question.schema is not None:
        scene.text = json.dumps(instance(question.schema))
    elif count := _number(marks, "long:"):
        scene.text = " ".join(f"word{i}" for i in range(count))
    else:
        scene.text = " ".join([f"You said: {rest}", *(str(medium) for medium in question.media)])
    if "image" in marks:
        scene.image = PNG
    if "length" in marks:
        scene.finish = "length"
    elif "stop" in marks:
        scene.finish = "stop_sequence"


def _usage(scene: Scene, question: Question, cached: bool) -> Usage:
    media = question.all_media
    if media is None:
        media = len(question.media) + sum(len(result.media) for result in question.results)
    asked = sum(words(text) for text in question.texts) + 10 * media
    said = words(scene.text) + words(scene.refusal) + words(scene.thought)
    said += sum(1 + words(call.args_json) for call in scene.calls) + 10 * (scene.image is not None)
    extra = {"cache_read": 100, "cache_write": 50} if cached else {}
    return Usage(asked + sum(extra.values()), said, words(scene.thought), **extra)


def instance(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """A value that fits the schema, always the same one."""
    root = schema if root is None else root
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].split("/")[1:]:
            target = target[step]
        return instance(target, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for branch in ("anyOf", "oneOf", "allOf"):
        if schema.get(branch):
            return instance(schema[branch][0], root)
    kind = schema.get("type", "object")
    kind = (kind if isinstance(kind, str) else kind[0]).lower()  # Gemini writes its types in capitals
    if kind == "object":
        return {name: instance(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {"type": "string"}), root)] * max(1, schema.get("minItems", 1))
    least = schema.get("minimum", 1)
    return {"string": "text", "integer": int(least), "number": least + 0.5, "boolean": True, "null": None}[kind]
