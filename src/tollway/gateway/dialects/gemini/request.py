"""generateContent's request: peek, edit, understand, say."""

from typing import Any

import msgspec

from tollway.core.chat import ChatRequest
from tollway.core.errors import BadRequest
from tollway.core.places import Places
from tollway.gateway.dialect import Body, Edits, Envelope, Opaque, PathArgs, Target, Written, plain
from tollway.gateway.dialects.gemini.generation import read_generation, write_generation
from tollway.gateway.dialects.gemini.read_contents import ContentsReader, read_system
from tollway.gateway.dialects.gemini.thinking import within
from tollway.gateway.dialects.gemini.tools import ToolNames, read_choice, read_tools, write_choice, write_tools
from tollway.gateway.dialects.gemini.write_contents import ContentsWriter
from tollway.gateway.gemini_family.spelling import camel, items, text, wrong

MEDIA_MARKERS = (b'ata"', b"\\u00")
"""Ends of `inlineData`, `file_data` and their like; the last one stands for keys spelt with escapes."""

_FUNCTIONS_ONLY = frozenset({"functionDeclarations", "function_declarations"})
_UNDERSTOOD = frozenset({"contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "safetySettings"})
_KNOWN = _UNDERSTOOD | {"model", "serviceTier", "generateContentRequest"}
_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
_ALL_OFF = [{"category": f"HARM_CATEGORY_{harm}", "threshold": "OFF"} for harm in _HARMS]


class _Limits(msgspec.Struct, frozen=True, gc=False):
    """What of generationConfig must be known early, in both spellings."""

    max_output: int | None = msgspec.field(name="maxOutputTokens", default=None)
    answers: int | None = msgspec.field(name="candidateCount", default=None)
    snake_max_output: int | None = msgspec.field(name="max_output_tokens", default=None)
    snake_answers: int | None = msgspec.field(name="candidate_count", default=None)


_NO_LIMITS = _Limits()
_read_limits = msgspec.json.Decoder(_Limits | None, strict=False).decode
_tool_keys = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_open_config = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def envelope(body: Body, path: PathArgs) -> Envelope:
    """Model and stream from the path, limits from the body. Raises BadRequest naming a wrong limit."""
    config = body.get("generationConfig") or body.get("generation_config")
    max_output, answers = (None, None) if config is None else _limits(config)
    contents = bytes(body.get("contents", b""))
    tools = body.get("tools")
    return Envelope(
        path.get("model", "").removeprefix("models/") or None,
        path.get("action") == "streamGenerateContent",
        max_output,
        answers or 1,
        media=b'ata"' in contents or (b"\\" in contents and b"\\u00" in contents),
        server_tools=tools is not None and _asks_server_tools(tools),
    )


def _limits(config: Any) -> tuple[int | None, int | None]:
    try:
        found = _read_limits(config) or _NO_LIMITS
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"generationConfig: {error}", field="generationConfig") from error
    max_output = found.snake_max_output if found.max_output is None else found.max_output
    answers = found.snake_answers if found.answers is None else found.answers
    if max_output is not None and max_output < 1:
        raise wrong("generationConfig.maxOutputTokens", "must be positive")
    if answers is not None and answers < 1:
        raise wrong("generationConfig.candidateCount", "must be positive")
    return max_output, answers


def _asks_server_tools(tools: Any) -> bool:
    try:
        return any(name not in _FUNCTIONS_ONLY for tool in _tool_keys(tools) for name in tool)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError):
        return True


def edit_request(body: Body, envelope: Envelope, edits: Edits) -> Body:
    """The body with its output limit lowered to `edits.max_output`; every other byte stays.

    The model is in the path; a body that repeats it is told the upstream's name for it.
    """
    edited = dict(body)
    if "model" in body:
        edited["model"] = f"models/{edits.model}"
    limit = edits.max_output
    if limit is None or (envelope.max_output is not None and envelope.max_output <= limit):
        return edited
    name = "generation_config" if body.get("generation_config") is not None else "generationConfig"
    given = body.get(name)
    try:
        config = _open_config(given) if isinstance(given, msgspec.Raw) and bytes(given) != b"null" else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong(name, str(error)) from error
    kept = {key: value for key, value in config.items() if camel(key) != "maxOutputTokens"}
    thoughts = {
        key: _fit_thoughts(value, limit, edits.model) for key, value in kept.items() if camel(key) == "thinkingConfig"
    }
    edited[name] = kept | thoughts | {"maxOutputTokens": limit}
    return edited


def _fit_thoughts(given: msgspec.Raw, limit: int, model: str) -> Any:
    """A budget for thoughts that leaves half of the lowered limit for words; what cannot be read stays."""
    config = msgspec.json.decode(given)
    if not isinstance(config, dict):
        return given
    for key, budget in config.items():
        if camel(key) == "thinkingBudget" and isinstance(budget, int) and budget >= limit:
            return config | {key: within(limit, model)}
    return given


def read_request(body: Body, envelope: Envelope, opaque: Opaque) -> ChatRequest:
    """The canonical question. Raises BadRequest naming the place (`contents[1].parts[0].inlineData.data`)."""
    given = {camel(name): plain(body, name) for name in body}
    given = {name: value for name, value in given.items() if value is not None}
    if "contents" not in given and isinstance(nested := given.get("generateContentRequest"), dict):
        given = {camel(name): value for name, value in nested.items() if value is not None}
    if "contents" not in given:
        raise wrong("contents", "contents are required")
    reader = ContentsReader(opaque)
    messages = reader.read(given["contents"])
    if not messages:
        raise wrong("contents", "contents are required")
    if "systemInstruction" in given:
        messages = (read_system(given["systemInstruction"]), *messages)
        reader.noted.append((messages[0], "systemInstruction"))
    told = read_generation(given.get("generationConfig", {}))
    if "serviceTier" in given:
        told["service_tier"] = text(given["serviceTier"], "serviceTier").lower()
    leftover = (*told.pop("leftover"), *reader.leftover)
    unknown = [name for name in given if name not in _KNOWN]
    return ChatRequest(
        model=envelope.model or "",
        messages=messages,
        tools=read_tools(given.get("tools", []), reader.noted),
        tool_choice=read_choice(given["toolConfig"]) if "toolConfig" in given else None,
        stream=envelope.stream,
        safety=tuple(items(given.get("safetySettings", []), "safetySettings")),
        leftover=(*leftover, *unknown),
        places=Places(reader.noted),
        **told,
    )


_NEVER_SAID = ("verbosity", "user", "metadata", "store", "service_tier", "cache_key")


def write_request(request: ChatRequest, target: Target) -> Written:
    """The question as a generateContent body. Raises Unsupported naming what Gemini cannot be told."""
    dropped: list[str] = []
    names = ToolNames()
    writer = ContentsWriter(request, target.model, names, dropped)
    body: Body = {"contents": writer.write()}
    if writer.system:
        body["systemInstruction"] = {"parts": [{"text": "\n".join(writer.system)}]}
    tools = write_tools(request.tools, names, dropped)
    if tools:
        body["tools"] = tools
    choice = write_choice(request, names)
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": choice}
    body["safetySettings"] = list(request.safety) or _ALL_OFF
    config = write_generation(request, target, dropped)
    if config:
        body["generationConfig"] = config
    dropped += [name for name in _NEVER_SAID if getattr(request, name) is not None]
    if request.parallel_tools is False:
        dropped.append("parallel_tools")
    dropped += request.leftover
    return Written(body=body, dropped=tuple(dict.fromkeys(dropped)), renamed=names.renamed)
