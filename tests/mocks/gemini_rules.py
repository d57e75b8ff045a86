"""What generativelanguage.googleapis.com refuses, in its own words."""

import base64
import binascii
import re
from typing import Any

BYPASSES = {"context_engineering_is_the_way_to_go", "skip_thought_signature_validator"}
ISSUED = b"gemini-mock:"
"""How the bytes of this mock's own thought signatures begin."""
_REQUEST = {
    "contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "safetySettings", "cachedContent",
    "model", "serviceTier", "store",
}  # fmt: skip
_DATA = {
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
}  # fmt: skip
_PART = _DATA | {"thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution"}
_CONFIG = {
    "temperature", "topP", "topK", "maxOutputTokens", "candidateCount", "stopSequences", "seed", "presencePenalty",
    "frequencyPenalty", "responseLogprobs", "logprobs", "responseMimeType", "responseSchema", "responseJsonSchema",
    "thinkingConfig", "responseModalities", "imageConfig", "speechConfig", "mediaResolution",
    "enableEnhancedCivicAnswers",
}  # fmt: skip
_TOOL = {
    "functionDeclarations", "googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "googleMaps",
    "computerUse", "fileSearch",
}  # fmt: skip
_DECLARATION = {
    "name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior",
}  # fmt: skip
_SCHEMA = {
    "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
    "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
    "default", "items", "minimum", "maximum",
}  # fmt: skip
_FORMATS = {"STRING": {"enum", "date-time"}, "NUMBER": {"float", "double"}, "INTEGER": {"int32", "int64"}}
_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
_MIMES = {
    "application/pdf", "application/json", "text/plain", "text/html", "text/css", "text/csv", "text/xml", "text/rtf",
    "text/markdown", "text/javascript", "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif",
    "audio/mpeg", "audio/mp3", "audio/wav", "audio/x-wav", "audio/aac", "audio/flac", "audio/ogg", "audio/aiff",
    "audio/mp4", "audio/webm", "audio/pcm", "audio/l16", "video/mov", "video/quicktime", "video/mpeg", "video/mp4",
    "video/mpg", "video/avi", "video/x-msvideo", "video/wmv", "video/x-ms-wmv", "video/mpegps", "video/flv",
    "video/x-flv", "video/webm", "video/3gpp",
}  # fmt: skip
_HARMS = {"HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY"}
_THRESHOLDS = {"OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d))?")


class Refused(Exception):
    """A 400 INVALID_ARGUMENT with the vendor's message."""


def must(holds: bool, message: str) -> None:
    """Refuse with `message` unless it holds."""
    if not holds:
        raise Refused(message)


def camel(name: str) -> str:
    """Google takes both spellings of every field."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name.lstrip("_"))


def fields(value: Any, known: set[str], path: str) -> dict[str, Any]:
    """The object's fields in camelCase; refuses unknown ones, but for those whose name starts with `tomorrow`."""
    must(isinstance(value, dict), f"Invalid value at '{path}' (type), {value!r}")
    for name in value:
        at = f" at '{path}'" if path else ""
        unknown = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
        must(camel(name) in known or name.startswith("tomorrow"), unknown)
    return {camel(name): item for name, item in value.items() if item is not None}


def version(model: str) -> tuple[int, int]:
    """(major, minor) of a model's name."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else (2, 5)


def check(body: Any, model: str) -> dict[str, Any]:
    """The request in camelCase, top level. Raises Refused for what the vendor would refuse."""
    request = fields(body, _REQUEST, "")
    must(bool(request.get("contents")), "* GenerateContentRequest.contents: contents is not specified\n")
    must(isinstance(request["contents"], list), "Invalid value at 'contents' (repeated)")
    _contents(request["contents"], model)
    if "systemInstruction" in request:
        system = fields(request["systemInstruction"], {"role", "parts"}, "system_instruction")
        for at, part in enumerate(system.get("parts") or [{}]):
            must("text" in part, f"system_instruction.parts[{at}]: only text is supported")
    declared = _tools(request.get("tools", []), model)
    _tool_config(request.get("toolConfig", {}), declared)
    _safety(request.get("safetySettings", []))
    _config(request.get("generationConfig", {}), model, bool(declared))
    return request


def _contents(contents: list[Any], model: str) -> None:
    before: list[dict[str, Any]] = []
    asked: list[str] | None = None
    for at, (role, parts) in enumerate(_turns(contents)):
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        answers = [part["functionResponse"]["name"] for part in parts if "functionResponse" in part]
        must(not calls or role == "model", "Please ensure that function calls are in a model turn.")
        must(not answers or role != "model", "Please ensure that function responses are in a user turn.")
        if asked is not None or answers:
            _answers(asked, answers)
        if calls:
            after = bool(before) or at == 0
            message = "Please ensure that function call turn comes immediately after a user turn or after a function"
            must(after and at > 0, message + " response turn.")
            _signed(parts, at, model)
        asked = [call["name"] for call in calls] if calls else None
        before = parts if role != "model" else []


def _turns(contents: list[Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(role, parts); what a streamed answer left behind, one content for each chunk, is one turn of the model's."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for at, value in enumerate(contents):
        path = f"contents[{at}]"
        content = fields(value, {"role", "parts"}, path)
        role = content.get("role", "user")
        must(role in {"user", "model", "function"}, "Please use a valid role: user, model.")
        must(bool(content.get("parts")), f"* GenerateContentRequest.{path}.parts: contents.parts must not be empty.\n")
        spoken = role == "model"  # Google's own SDK sends back the empty text at the end of a stream
        parts = [_part(part, f"{path}.parts[{nth}]", spoken) for nth, part in enumerate(content["parts"])]
        if turns and turns[-1][0] == role == "model":
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    return turns


def _answers(asked: list[str] | None, answers: list[str]) -> None:
    message = "Please ensure that function response turn comes immediately after a function call turn."
    must(asked is not None and bool(answers), message)
    message = "Please ensure that the number of function response parts is equal to the number of function call parts"
    must(len(asked or []) == len(answers), message + " of the function call turn.")
    must(sorted(asked or []) == sorted(answers), "Please ensure that function responses name the called functions.")


def _signed(parts: list[dict[str, Any]], at: int, model: str) -> None:
    first = next(part for part in parts if "functionCall" in part)
    missing = "Function call is missing a thought_signature in functionCall parts. This is required for tools to work"
    missing += f" correctly. Additional data, function call `{first['functionCall']['name']}`, position {at + 1}."
    must(version(model) < (3, 0) or "thoughtSignature" in first, missing)


def _part(value: Any, path: str, empty: bool = False) -> dict[str, Any]:
    part = fields(value, _PART, path)
    data = [name for name in part if name in _DATA]
    only_signature = not data and "thoughtSignature" in part
    oneof = f"* GenerateContentRequest.{path}.data: required oneof field 'data' must have one initialized field\n"
    must(len(data) == 1 or only_signature, oneof)
    if "text" in part:
        must(isinstance(part["text"], str), f"Invalid value at '{path}.text' (TYPE_STRING)")
        must(
            bool(part["text"]) or empty or "thoughtSignature" in part,
            f"{path}: Unable to submit an empty text parameter.",
        )
    if "inlineData" in part:
        part["inlineData"] = _blob(part["inlineData"], f"{path}.inline_data")
    if "fileData" in part:
        pointer = fields(part["fileData"], {"fileUri", "mimeType", "displayName"}, f"{path}.file_data")
        must(str(pointer.get("fileUri")).startswith(("https://", "gs://")), f"{path}.file_data.file_uri: invalid URI")
        part["fileData"] = pointer
    if "functionCall" in part:
        part["functionCall"] = _call(part["functionCall"], {"id", "name", "args"}, f"{path}.function_call")
    if "functionResponse" in part:
        known = {"id", "name", "response", "parts", "willContinue", "scheduling"}
        answer = _call(part["functionResponse"], known, f"{path}.function_response")
        must(isinstance(answer.get("response"), dict), f"Invalid value at '{path}.function_response.response' (Struct)")
        answer["parts"] = [_part(item, f"{path}.function_response.parts") for item in answer.get("parts", [])]
        part["functionResponse"] = answer
    if "thoughtSignature" in part:
        _signature(part["thoughtSignature"], path)
    return part


def _call(value: Any, known: set[str], path: str) -> dict[str, Any]:
    call = fields(value, known, path)
    name = call.get("name", "")
    must(bool(name), f"* GenerateContentRequest.{path}.name: Name cannot be empty.\n")
    must(bool(_NAME.fullmatch(name)), f"* GenerateContentRequest.{path}.name: Invalid function name.\n")
    must(isinstance(call.get("args", {}), dict), f"Invalid value at '{path}.args' (Struct)")
    return call


def decoded(data: str) -> bytes:
    """Base64 of either alphabet. Raises ValueError."""
    standard = data.replace("-", "+").replace("_", "/")
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


def _blob(value: Any, path: str) -> dict[str, Any]:
    blob = fields(value, {"mimeType", "data", "displayName"}, path)
    must(blob.get("mimeType", "").lower() in _MIMES, f"Unsupported MIME type: {blob.get('mimeType')}")
    try:
        must(bool(decoded(blob.get("data", ""))), f"{path}.data: Unable to process input data.")
    except (binascii.Error, ValueError) as error:
        raise Refused(f"Invalid value at '{path}.data' (TYPE_BYTES), Base64 decoding failed") from error
    return blob


def _signature(value: Any, path: str) -> None:
    if value in BYPASSES:
        return
    try:
        ours = decoded(value).startswith(ISSUED)
    except (ValueError, AttributeError):
        ours = False
    must(ours, f"{path}: Thought signature is not valid.")


def _tools(tools: Any, model: str) -> list[str]:
    """Names declared."""
    names: list[str] = []
    kinds: set[str] = set()
    for at, value in enumerate(tools):
        tool = fields(value, _TOOL, f"tools[{at}]")
        kinds |= tool.keys()
        for nth, item in enumerate(tool.get("functionDeclarations", [])):
            path = f"tools[{at}].function_declarations[{nth}]"
            declared = fields(item, _DECLARATION, path)
            problem = f"* GenerateContentRequest.{path}.name: Invalid function name."
            must(bool(_NAME.fullmatch(declared.get("name", ""))), problem)
            must(declared["name"] not in names, f"Duplicate function declaration found: {declared['name']}")
            names.append(declared["name"])
            if "parameters" in declared:
                must("parametersJsonSchema" not in declared, f"{path}: parameters and its JSON Schema are both set")
                _parameters(declared["parameters"], f"{path}.parameters")
    mixed = "functionDeclarations" in kinds and len(kinds) > 1
    must(not mixed or version(model) >= (3, 0), "Built-in tools and Function Calling cannot be combined.")
    return names


def _parameters(schema: Any, path: str) -> None:
    _schema(schema, path)
    must(schema.get("type", "").upper() == "OBJECT", f"{path} schema should be of type OBJECT.")
    must(bool(schema.get("properties")), f"{path}.properties: should be non-empty for OBJECT type")


def _schema(value: Any, path: str, depth: int = 0) -> None:
    must(depth <= 64, f"{path}: the schema is nested too deeply")
    schema = fields(value, _SCHEMA, path)
    kind = schema.get("type", "").upper()
    must(kind in _TYPES or "anyOf" in schema, f"{path}: schema didn't specify the schema type field.")
    must("anyOf" not in schema or "type" not in schema, f"{path}: any_of must be the only field set.")
    known = _FORMATS.get(kind, set())
    must(schema.get("format") in {None, *known}, f"{path}.format: only {sorted(known)} are supported for {kind} type")
    must("enum" not in schema or kind == "STRING", f"{path}.enum: only allowed for STRING type")
    must(all(isinstance(word, str) for word in schema.get("enum", [])), f"Invalid value at '{path}.enum' (TYPE_STRING)")
    must(kind != "ARRAY" or "items" in schema, f"{path}.items: missing field.")
    properties = schema.get("properties", {})
    for at, name in enumerate(schema.get("required", [])):
        must(name in properties, f"{path}.required[{at}]: property is not defined")
    for name, item in properties.items():
        _schema(item, f"{path}.properties[{name}]", depth + 1)
    for at, item in enumerate([*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]):
        _schema(item, f"{path}.any_of[{at}]", depth + 1)


def _tool_config(value: Any, declared: list[str]) -> None:
    config = fields(value, {"functionCallingConfig", "retrievalConfig"}, "tool_config")
    path = "tool_config.function_calling_config"
    calling = fields(config.get("functionCallingConfig", {}), {"mode", "allowedFunctionNames"}, path)
    mode = calling.get("mode", "AUTO")
    must(mode in {"AUTO", "ANY", "NONE", "VALIDATED"}, f"Invalid value at '{path}.mode' (Mode), {mode!r}")
    must(mode != "ANY" or bool(declared), f"{path}: Function calling config is set without function_declarations.")
    names = calling.get("allowedFunctionNames", [])
    must(not names or mode in {"ANY", "VALIDATED"}, f"{path}.allowed_function_names: only allowed with mode ANY.")
    must(set(names) <= set(declared), f"{path}.allowed_function_names: not in function_declarations.")


def _safety(settings: Any) -> None:
    seen = set()
    for at, value in enumerate(settings):
        setting = fields(value, {"category", "threshold", "method"}, f"safety_settings[{at}]")
        category = str(setting.get("category", ""))
        must(category.removeprefix("HARM_CATEGORY_") in _HARMS, f"Invalid value at 'safety_settings[{at}].category'")
        must(setting.get("threshold") in _THRESHOLDS, f"Invalid value at 'safety_settings[{at}].threshold'")
        must(category not in seen, f"safety_settings[{at}]: duplicate category {category}")
        seen.add(category)


def _config(value: Any, model: str, functions: bool) -> None:
    config = fields(value, _CONFIG, "generation_config")
    for name, (least, most) in {"temperature": (0, 2), "topP": (0, 1), "topK": (1, 1000), "logprobs": (0, 20)}.items():
        given = config.get(name, least)
        must(isinstance(given, int | float) and least <= given <= most, f"generation_config.{name} is out of range")
    for name, most in {"maxOutputTokens": 65536, "candidateCount": 8}.items():
        given = config.get(name, 1)
        must(isinstance(given, int) and 1 <= given <= most, f"generation_config.{name} must be in [1, {most}]")
    must(len(config.get("stopSequences", [])) <= 5, "generation_config.stop_sequences: at most 5 are allowed")
    must("logprobs" not in config or config.get("responseLogprobs") is True, "Logprobs requires response_logprobs.")
    mime = config.get("responseMimeType", "text/plain")
    must(mime in {"text/plain", "application/json", "text/x.enum"}, f"Unsupported response_mime_type: {mime}")
    schema = "responseSchema" in config or "responseJsonSchema" in config
    must(not schema or mime != "text/plain", "response_schema requires response_mime_type application/json")
    both = functions and mime == "application/json"
    must(not both or version(model) >= (3, 0), f"Function calling with a response mime type: '{mime}' is unsupported")
    if "responseSchema" in config:
        _schema(config["responseSchema"], "generation_config.response_schema")
    must(set(config.get("responseModalities", [])) <= {"TEXT", "IMAGE", "AUDIO"}, "Unknown response modality")
    known = {"aspectRatio", "imageSize", "personGeneration"}
    fields(config.get("imageConfig", {}), known, "generation_config.image_config")
    _thinking(config.get("thinkingConfig"), model)


def _thinking(value: Any, model: str) -> None:
    if value is None:
        return
    known = {"includeThoughts", "thinkingBudget", "thinkingLevel"}
    config = fields(value, known, "generation_config.thinking_config")
    number = version(model)
    must(number >= (2, 5), "This model does not support thinking.")
    level, budget = config.get("thinkingLevel"), config.get("thinkingBudget")
    must(level is None or budget is None, "Only one of thinking_budget and thinking_level may be set.")
    must(level is None or number >= (3, 0), "Thinking level is not supported for this model.")
    levels = {"low", "medium", "high"} | ({"minimal"} if "flash" in model else set())
    must(level is None or str(level).lower() in levels, f"Thinking level {level} is not supported for this model.")
    if budget is not None and number < (3, 0) and budget != -1:
        least, most = (128, 32768) if "flash" not in model else (512, 24576) if "lite" in model else (0, 24576)
        off = budget == 0 and "flash" in model
        must(off or least <= budget <= most, f"The thinking budget {budget} is invalid: [{least}, {most}].")
    shown = config.get("includeThoughts") is True and budget == 0
    must(not shown, "Unable to include thoughts when thinking is off.")
