"""A stand-in for generativelanguage.googleapis.com: strict about what it is asked, exact in what it answers."""

import base64
import hashlib
import json
import re
from typing import Any

from tests.mocks import script
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.gemini_rules import ISSUED, Refused, camel, check, decoded, fields, version
from tests.mocks.server import run
from tests.mocks.vectors import Unfit, gemini_vectors

BLOCK = "[[block]]"
"""In the last user's text: the prompt is refused as a whole."""
_PATH = re.compile(r"/v1(?:beta)?/models/([^/:]+):(\w+)")
_ACTIONS = {"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"}
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FINISHES = {"stop": "STOP", "tool": "STOP", "stop_sequence": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}


def app(request: MockRequest) -> MockAnswer:
    """Answer one request as the vendor would."""
    if request.demand:
        return _error(request.demand, "the mock was told to fail")
    key = request.headers.get("x-goog-api-key") or request.args.get("key", "")
    if not key:
        return _error(403, "Method doesn't allow unregistered callers (callers without established identity).")
    if key.startswith("bad"):
        return _error(400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID")
    if request.method == "GET" and request.path in {"/v1beta/models", "/v1/models"}:
        return MockAnswer.of_json({"models": [{"name": "models/gemini-2.5-flash", "version": "001"}]})
    found = _PATH.fullmatch(request.path)
    if request.method != "POST" or found is None or found[2] not in _ACTIONS:
        return _error(404, "Requested entity was not found.")
    model, action = found.groups()
    if not model.startswith(("gemini-", "gemma-")):
        return _error(404, f"models/{model} is not found for API version v1beta, or is not supported for {action}.")
    try:
        body = request.json
        if action in ("embedContent", "batchEmbedContents"):
            return MockAnswer.of_json(gemini_vectors(body, model, action))
        if action == "countTokens" and isinstance(body, dict) and "generateContentRequest" in body:
            body = body["generateContentRequest"]
        asked = check(body, model)
    except (Refused, Unfit) as refusal:
        return _error(400, str(refusal))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _error(400, f"Invalid JSON payload received. {error!r}")
    return _Answer(asked, model).say(action, request.args.get("alt", ""))


def _error(status: int, message: str, reason: str = "") -> MockAnswer:
    error: dict[str, Any] = {"code": status, "message": message, "status": _WORDS.get(status, "UNKNOWN")}
    if reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": reason, "domain": "googleapis.com"}]
    return MockAnswer.of_json({"error": error}, status)


def seal(words: str) -> str:
    """A thought signature of this mock's own."""
    return base64.b64encode(ISSUED + hashlib.sha256(words.encode()).digest()).decode()


class _Answer:
    """One answer to a request that passed the checks."""

    def __init__(self, asked: dict[str, Any], model: str) -> None:
        self.asked, self.model = asked, model
        self.config = {camel(name): value for name, value in asked.get("generationConfig", {}).items()}
        self.declared = {
            item["name"]: item
            for tool in asked.get("tools", [])
            for item in tool.get("functionDeclarations") or tool.get("function_declarations") or []
        }
        self.question = self._question()
        self.scene = script.play(self.question)
        self._obey_tool_config()
        self.three = version(model) >= (3, 0)
        seed = json.dumps(asked, sort_keys=True)
        self.id = "mock" + hashlib.sha256(seed.encode()).hexdigest()[:16]

    def say(self, action: str, alt: str) -> MockAnswer:
        """The whole answer, a stream of it in either framing, or a count."""
        if action == "countTokens":
            count = self.scene.usage.input if self.scene.usage else 1
            details = [{"modality": "TEXT", "tokenCount": count}]
            return MockAnswer.of_json({"totalTokens": count, "promptTokensDetails": details})
        if action == "generateContent":
            answer = MockAnswer.of_json(self._whole(), headers={"server-timing": "gfet4t7; dur=1"})
            answer.delay_s = self.scene.delay_s
            return answer
        chunks = [json.dumps(chunk).encode() for chunk in self._chunks()]
        if alt == "sse":
            return MockAnswer.of_stream([b"data: " + chunk + b"\r\n\r\n" for chunk in chunks], self.scene.delay_s)
        pieces = [(b"[" if at == 0 else b",\r\n") + chunk for at, chunk in enumerate(chunks)]
        return MockAnswer.of_stream([*pieces, b"]"], self.scene.delay_s, "application/json; charset=UTF-8")

    def _question(self) -> script.Question:
        turns = [
            {"role": turn.get("role", "user"), "parts": [_plain(part) for part in turn["parts"]]}
            for turn in self.asked["contents"]
        ]
        last: list[dict[str, Any]] = []
        for turn in reversed(turns):
            if turn["role"] == "model":
                break
            last = turn["parts"] + last
        results, own = _answers(last)
        everything = [part for turn in turns for part in turn["parts"]]
        schema = None
        if self.config.get("responseMimeType") == "application/json":
            schema = self.config.get("responseSchema") or self.config.get("responseJsonSchema") or {}
        thinking = {camel(name): value for name, value in self.config.get("thinkingConfig", {}).items()}
        return script.Question(
            last_user="\n".join(part["text"] for part in own if "text" in part),
            texts=[text for part in everything for text in _texts(part)],
            media=[_medium(part) for part in own if "inlineData" in part or "fileData" in part],
            results=results,
            tools=list(self.declared),
            schema=schema,
            reasoning=thinking.get("includeThoughts") is True,
            limit=self.config.get("maxOutputTokens"),
        )

    def _obey_tool_config(self) -> None:
        """Call a tool when the caller forces one and the marks name none."""
        config = self.asked.get("toolConfig", {})
        config = config.get("functionCallingConfig") or config.get("function_calling_config") or {}
        mode, names = config.get("mode", "AUTO"), config.get("allowedFunctionNames") or list(self.declared)[-1:]
        if mode == "NONE":
            self.scene.calls, self.scene.finish = [], "stop"
        if mode != "ANY" or self.scene.calls or self.question.results:
            return
        declared = self.declared[names[0]]
        schema = declared.get("parameters") or declared.get("parametersJsonSchema") or {}
        self.scene.calls = [script.Call(names[0], script.instance(schema))]
        self.scene.text, self.scene.finish = "", "tool"

    def _head(self) -> dict[str, Any]:
        return {"modelVersion": self.model, "responseId": self.id}

    def _usage(self, told: int | None = None) -> dict[str, Any]:
        """usageMetadata, of an answer of which `told` words are out."""
        usage = self.scene.usage
        if usage is None:
            return {}
        said = usage.output - usage.reasoning if told is None else told
        counts: dict[str, Any] = {"promptTokenCount": usage.input, "candidatesTokenCount": said}
        counts["totalTokenCount"] = usage.input + said + usage.reasoning
        if usage.cache_read:
            counts["cachedContentTokenCount"] = usage.cache_read
            counts["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.cache_read}]
        counts["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.input}]
        if usage.reasoning:
            counts["thoughtsTokenCount"] = usage.reasoning
        if self.scene.image is not None and told is None:
            counts["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": 10}]
        return {"usageMetadata": counts}

    def _blocked(self) -> dict[str, Any] | None:
        if BLOCK not in self.question.last_user:
            return None
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}} | self._usage(0) | self._head()

    def _calls(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for number, call in enumerate(self.scene.calls):
            words: dict[str, Any] = {"name": call.name, "args": call.args}
            if self.three:
                words["id"] = hashlib.sha256(f"{self.id}:{number}".encode()).hexdigest()[:8]
            parts.append({"functionCall": words})
        if parts and (self.three or self.scene.thought):
            parts[0]["thoughtSignature"] = seal(self.id)
        return parts

    def _seals_text(self) -> bool:
        return not self.scene.calls and bool(self.scene.thought or self.three)

    def _whole(self) -> dict[str, Any]:
        if (blocked := self._blocked()) is not None:
            return blocked
        scene = self.scene
        parts: list[dict[str, Any]] = [{"text": scene.thought, "thought": True}] if scene.thought else []
        if words := scene.text or scene.refusal:
            parts.append({"text": words} | ({"thoughtSignature": seal(self.id)} if self._seals_text() else {}))
        if scene.image is not None:
            parts.append({"inlineData": {"mimeType": "image/png", "data": base64.b64encode(scene.image).decode()}})
        content = {"parts": parts + self._calls(), "role": "model"}
        if not content["parts"]:
            content = {"role": "model"}
        candidate = {"content": content, "finishReason": _FINISHES[scene.finish]} | self._grounding()
        count = self.config.get("candidateCount", 1)
        return {"candidates": [candidate | {"index": at} for at in range(count)]} | self._usage() | self._head()

    def _grounding(self) -> dict[str, Any]:
        if not self.scene.cited:
            return {}
        text = self.scene.text[:20]
        segment = {"endIndex": len(text.encode()), "text": text}
        return {
            "groundingMetadata": {
                "webSearchQueries": ["mock"],
                "groundingChunks": [{"web": {"uri": script.CITED_URL, "title": script.CITED_TITLE}}],
                "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
                "searchEntryPoint": {"renderedContent": "<div></div>"},
            }
        }

    def _chunks(self) -> list[dict[str, Any]]:
        if (blocked := self._blocked()) is not None:
            return [blocked]
        scene = self.scene
        told: list[list[dict[str, Any]]] = [[{"text": scene.thought, "thought": True}]] if scene.thought else []
        told += [[{"text": piece}] for piece in script.pieces(scene.text or scene.refusal)]
        if scene.image is not None:
            told.append([{"inlineData": {"mimeType": "image/png", "data": base64.b64encode(scene.image).decode()}}])
        if calls := self._calls():
            told.append(calls)
        last: dict[str, Any] = {"text": ""}
        if self._seals_text() and told:
            last["thoughtSignature"] = seal(self.id)
        chunks = []
        count = self.config.get("candidateCount", 1)
        for number, parts in enumerate(told):
            for at in range(count):
                candidate = {"content": {"parts": parts, "role": "model"}, "index": at}
                chunks.append({"candidates": [candidate]} | self._usage(number) | self._head())
        end = {"content": {"parts": [last], "role": "model"}, "finishReason": _FINISHES[scene.finish]}
        for at in range(count):
            candidate = end | {"index": at} | self._grounding()
            chunks.append({"candidates": [candidate]} | self._usage() | self._head())
        return chunks


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    return {camel(name): value for name, value in part.items()}


def _texts(part: dict[str, Any]) -> list[str]:
    if "functionResponse" in part:
        return [str(_said(part["functionResponse"]).text)]
    return [part["text"]] if "text" in part else []


def _medium(part: dict[str, Any]) -> script.Medium:
    if "inlineData" in part:
        blob = _plain(part["inlineData"])
        return script.Medium(_kind(blob["mimeType"]), blob["mimeType"], decoded(blob["data"]))
    pointer = _plain(part["fileData"])
    mime = pointer.get("mimeType", "")
    return script.Medium(_kind(mime), mime, url=pointer["fileUri"])


def _kind(mime: str) -> str:
    family = mime.partition("/")[0]
    return family if family in {"image", "audio", "video"} else "file"


def _said(value: dict[str, Any]) -> script.ToolSaid:
    answer = fields(value, {"id", "name", "response", "parts", "willContinue", "scheduling"}, "")
    response = answer["response"]
    if len(response) == 1 and next(iter(response)) in {"content", "result", "output", "error"}:
        ((name, told),) = response.items()
        text = told if isinstance(told, str) else json.dumps(told, separators=(",", ":"))
        return script.ToolSaid(text, _media(answer), name == "error")
    return script.ToolSaid(json.dumps(response, separators=(",", ":")), _media(answer))


def _answers(parts: list[dict[str, Any]]) -> tuple[list[script.ToolSaid], list[dict[str, Any]]]:
    """What tools said, each with the media right behind it, and the parts that are the user's own."""
    results: list[script.ToolSaid] = []
    own: list[dict[str, Any]] = []
    behind = False
    for part in parts:
        if "functionResponse" in part:
            results.append(_said(part["functionResponse"]))
            behind = True
        elif behind and "text" not in part:
            said = results[-1]
            results[-1] = script.ToolSaid(said.text, [*said.media, _medium(part)], said.is_error)
        else:
            own.append(part)
            behind = False
    return results, own


def _media(answer: dict[str, Any]) -> list[script.Medium]:
    return [_medium(_plain(part)) for part in answer.get("parts", [])]


if __name__ == "__main__":
    run(app)
