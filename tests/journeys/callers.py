"""The three callers, without their SDKs: what they send, and what came back down to the last byte."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.journeys.hub import Hub


@dataclass
class Heard:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    raw: bytes
    is_cut: bool
    """The connection broke before the answer's end."""

    @property
    def id(self) -> str:
        """The request id."""
        return self.headers["x-request-id"]

    @property
    def json(self) -> Any:
        """The whole body."""
        return json.loads(self.raw)

    @property
    def events(self) -> list[Any]:
        """The JSON of every SSE event, or of every whole element of an array; `[DONE]` as it is."""
        if self.raw.lstrip()[:1] == b"[":
            return _elements(self.raw.decode())
        data = [line[5:].strip() for line in self.raw.decode().splitlines() if line.startswith("data:")]
        return [one if one == "[DONE]" else json.loads(one) for one in data]


@dataclass(frozen=True)
class Caller:
    """One dialect and the model of its own vendor."""

    name: str
    model: str

    def path(self, stream: bool, model: str = "", framing: str = "sse") -> str:
        """Where to ask."""
        if self.name == "openai":
            return "/v1/chat/completions"
        if self.name == "anthropic":
            return "/v1/messages"
        how = "streamGenerateContent" if stream else "generateContent"
        return f"/v1beta/models/{model or self.model}:{how}" + ("?alt=sse" if stream and framing == "sse" else "")

    def body(self, text: str, stream: bool, limit: int | None = 100, model: str = "") -> dict[str, Any]:
        """What to ask."""
        model = model or self.model
        if self.name == "gemini":
            config = {"generationConfig": {"maxOutputTokens": limit}} if limit else {}
            return {"contents": [{"role": "user", "parts": [{"text": text}]}], **config}
        asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}]}
        if stream:
            asked["stream"] = True
        if limit:
            asked["max_tokens" if self.name == "anthropic" else "max_completion_tokens"] = limit
        return asked

    def ask(self, hub: Hub, key: str, text: str = "hello there", **how: Any) -> Heard:
        """Ask and hear everything. `how`: stream, limit, model, framing, body."""
        with self.begin(hub, key, text, **how) as running:
            return running.rest()

    def begin(
        self, hub: Hub, key: str, text: str = "hello there", *, stream: bool = False, framing: str = "sse", **how: Any
    ) -> "Running":
        """Ask, and hear nothing yet."""
        body = how.pop("body", None) or self.body(text, stream, **how)
        return Running(hub, self.path(stream, how.get("model", ""), framing), body, key)

    def text(self, heard: Heard) -> str:
        """What was said."""
        pieces = heard.events if self._is_stream(heard) else [heard.json]
        return "".join(self._words(piece) for piece in pieces if isinstance(piece, dict))

    def error(self, heard: Heard) -> dict[str, Any] | None:
        """The error that an answer, or a stream, tells of."""
        pieces = heard.events if self._is_stream(heard) else [heard.json]
        return next((piece["error"] for piece in pieces if isinstance(piece, dict) and "error" in piece), None)

    def is_whole(self, heard: Heard) -> bool:
        """Whether it ended as this dialect says that an answer is complete."""
        if heard.is_cut or heard.status != 200:
            return False
        if not self._is_stream(heard):
            return True
        if self.name == "openai":
            return bool(heard.events) and heard.events[-1] == "[DONE]"
        if self.name == "anthropic":
            return any(event["type"] == "message_stop" for event in heard.events)
        finished = any(event.get("candidates", [{}])[0].get("finishReason") for event in heard.events)
        return finished and (heard.raw.lstrip()[:1] != b"[" or heard.raw.rstrip()[-1:] == b"]")

    @staticmethod
    def _is_stream(heard: Heard) -> bool:
        return "event-stream" in heard.headers.get("content-type", "") or heard.raw.lstrip()[:1] == b"["

    def _words(self, piece: dict[str, Any]) -> str:
        if self.name == "anthropic":
            blocks = piece.get("content") or [piece.get("delta") or {}]
            return "".join(block.get("text", "") for block in blocks)
        if self.name == "gemini":
            parts = (piece.get("candidates") or [{}])[0].get("content", {}).get("parts", [])
            return "".join(part.get("text", "") for part in parts if not part.get("thought"))
        choice = (piece.get("choices") or [{}])[0]
        return (choice.get("message") or choice.get("delta") or {}).get("content") or ""


class Running:
    """A call in flight on a connection of its own."""

    def __init__(self, hub: Hub, path: str, body: Any, key: str) -> None:
        place = urlsplit(hub.url)
        self.connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.connection.request("POST", path, data, lines)
        self.said = b""
        self._answer: http.client.HTTPResponse | None = None

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    @property
    def answer(self) -> http.client.HTTPResponse:
        """The answer once its head is here."""
        if self._answer is None:
            self._answer = self.connection.getresponse()
        return self._answer

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names."""
        return {name.lower(): value for name, value in self.answer.headers.items()}

    def until(self, word: bytes, patience_s: float = 15.0) -> bytes:
        """Hear until `word` was said."""
        deadline = time.monotonic() + patience_s
        while word not in self.said:
            assert time.monotonic() < deadline, f"nobody said {word!r}: {self.said!r}"
            self.more()
        return self.said

    def more(self) -> bytes:
        """Hear what comes next."""
        piece = self.answer.read1(65536)
        assert piece, f"it is over: {self.said!r}"
        self.said += piece
        return piece

    def rest(self) -> Heard:
        """Hear to the end; what was heard before is part of it."""
        answer, said, is_cut = self.answer, self.said, False
        try:
            while piece := answer.read1(65536):
                said += piece
            is_cut = bool(answer.length)
        except http.client.IncompleteRead as error:
            said, is_cut = said + error.partial, True
        except ConnectionError:
            is_cut = True
        return Heard(answer.status, self.headers, said, is_cut)

    def leave(self) -> None:
        """Go away, whatever is still to be said."""
        if self._answer is not None:
            self._answer.close()
        self.connection.close()


def newcomer(hub: Hub, credits: float) -> tuple[str, str]:
    """A new user with credit, made over HTTP by the administrator: (user id, API key)."""
    body = {"email": f"u{time.monotonic_ns()}@test.example", "credits": credits}
    status, _, made = hub.ask("/admin/users", body, hub.keys["admin_key"])
    assert status == 200, made
    return made["user"]["id"], made["api_key"]


OPENAI = Caller("openai", "gpt-5-mini")
ANTHROPIC = Caller("anthropic", "claude-haiku")
GEMINI = Caller("gemini", "gemini-3-flash")
CALLERS = (OPENAI, ANTHROPIC, GEMINI)


def _elements(text: str) -> list[Any]:
    """The whole elements of a JSON array that may never end."""
    decoder, place, found = json.JSONDecoder(), text.index("[") + 1, list[Any]()
    while True:
        while text[place : place + 1] in (",", " ", "\n", "\r"):
            place += 1
        try:
            value, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError:
            return found
        found.append(value)
