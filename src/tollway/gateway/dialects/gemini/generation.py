"""generationConfig, both directions."""

from typing import Any

from tollway.core.chat import ChatRequest, Effort, OutputFormat, Sampling, Thinking
from tollway.gateway.dialect import Target, Words
from tollway.gateway.dialects.gemini.schema import clean, lowered
from tollway.gateway.dialects.gemini.thinking import read_thinking, within, write_thinking
from tollway.gateway.gemini_family.spelling import fields, flag, items, number, text, texts, whole, wrong

PATH = "generationConfig"
MOST_STOPS = 5
WORDS: Words = {
    "max_output": f"{PATH}.maxOutputTokens",
    "answers": f"{PATH}.candidateCount",
    "temperature": f"{PATH}.temperature",
    "top_p": f"{PATH}.topP",
    "top_k": f"{PATH}.topK",
    "seed": f"{PATH}.seed",
    "presence_penalty": f"{PATH}.presencePenalty",
    "frequency_penalty": f"{PATH}.frequencyPenalty",
    "stop": f"{PATH}.stopSequences",
    "logprobs": f"{PATH}.responseLogprobs",
    "top_logprobs": f"{PATH}.logprobs",
    "output_format": f"{PATH}.responseMimeType",
    "output_format.schema": (f"{PATH}.responseSchema", f"{PATH}.responseJsonSchema"),
    "thinking": f"{PATH}.thinkingConfig",
    "modalities": f"{PATH}.responseModalities",
    "audio_voice": f"{PATH}.speechConfig",
    "image_config": f"{PATH}.imageConfig",
    "messages": "contents",
    "reasoning": "contents.parts.thought",
    "tool_choice": "toolConfig.functionCallingConfig",
    "schema": "parameters",
    "safety": "safetySettings",
    "service_tier": "serviceTier",
}
_JSON = "application/json"
_NUMBERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_WHOLE = {"topK": "top_k", "seed": "seed", "logprobs": "top_logprobs"}
_FORMATS = frozenset({"responseMimeType", "responseSchema", "responseJsonSchema", "responseFormat"})
_OTHERS = frozenset({"maxOutputTokens", "candidateCount", "responseLogprobs", "stopSequences", "thinkingConfig"})
_OUTPUTS = frozenset({"responseModalities", "imageConfig", "speechConfig"})
_KNOWN = _NUMBERS.keys() | _WHOLE.keys() | _FORMATS | _OTHERS | _OUTPUTS


def read_generation(value: Any) -> dict[str, Any]:
    """The canonical request's fields that a generationConfig states, with `leftover` for the rest."""
    config = fields(value, PATH)
    told: dict[str, Any] = {"sampling": _read_sampling(config)}
    if "maxOutputTokens" in config:
        told["max_output"] = whole(config["maxOutputTokens"], f"{PATH}.maxOutputTokens")
    if "candidateCount" in config:
        told["answers"] = whole(config["candidateCount"], f"{PATH}.candidateCount")
    if "thinkingConfig" in config:
        told["thinking"] = read_thinking(config["thinkingConfig"], f"{PATH}.thinkingConfig")
    if "responseModalities" in config:
        kinds = texts(config["responseModalities"], f"{PATH}.responseModalities")
        told["modalities"] = tuple(kind.lower() for kind in kinds)
    if "imageConfig" in config:
        told["image_config"] = _read_image(fields(config["imageConfig"], f"{PATH}.imageConfig"))
    if "speechConfig" in config:
        told["audio_voice"] = _read_voice(config["speechConfig"])
    told["output_format"], leftover = _read_format(config)
    told["leftover"] = (*leftover, *(f"{PATH}.{name}" for name in config if name not in _KNOWN))
    return told


def _read_sampling(config: dict[str, Any]) -> Sampling:
    told: dict[str, Any] = {}
    for name, ours in _NUMBERS.items():
        if name in config:
            told[ours] = number(config[name], f"{PATH}.{name}")
    for name, ours in _WHOLE.items():
        if name in config:
            told[ours] = whole(config[name], f"{PATH}.{name}")
    if "responseLogprobs" in config:
        told["logprobs"] = flag(config["responseLogprobs"], f"{PATH}.responseLogprobs")
    if "stopSequences" in config:
        told["stop"] = texts(config["stopSequences"], f"{PATH}.stopSequences")
    return Sampling(**told)


def _read_image(config: dict[str, Any]) -> dict[str, Any]:
    words = {"aspectRatio": "aspect_ratio", "imageSize": "image_size"}
    return {words.get(name, name): value for name, value in config.items()}


def _read_voice(value: Any) -> str | None:
    path = f"{PATH}.speechConfig"
    speech = fields(value, path)
    voice = fields(speech.get("voiceConfig", {}), f"{path}.voiceConfig")
    prebuilt = fields(voice.get("prebuiltVoiceConfig", {}), f"{path}.voiceConfig.prebuiltVoiceConfig")
    name = prebuilt.get("voiceName")
    return None if name is None else text(name, f"{path}.voiceConfig.prebuiltVoiceConfig.voiceName")


def _read_format(config: dict[str, Any]) -> tuple[OutputFormat | None, tuple[str, ...]]:
    """The JSON demanded, in any of the three spellings, and the names of what cannot be said."""
    mime = text(config.get("responseMimeType", ""), f"{PATH}.responseMimeType").lower()
    schema = None
    if "responseFormat" in config:
        entries = [fields(item, f"{PATH}.responseFormat") for item in items(config["responseFormat"], PATH)]
        formats = [fields(entry["text"], f"{PATH}.responseFormat.text") for entry in entries if "text" in entry]
        for stated in formats:
            mime = str(stated.get("mimeType", mime)).lower()
            schema = stated.get("jsonSchema", stated.get("schema"))
    if "responseJsonSchema" in config:
        schema = config["responseJsonSchema"]
    if schema is not None and not isinstance(schema, dict):
        raise wrong(f"{PATH}.responseJsonSchema", "must be an object")
    if "responseSchema" in config:
        schema = lowered(config["responseSchema"], f"{PATH}.responseSchema")
    if mime == "application_json" or (not mime and schema is not None):
        mime = _JSON
    if mime == _JSON:
        return OutputFormat(schema=schema), ()
    return None, (() if mime in ("", "text/plain") else (f"{PATH}.responseMimeType",))


def write_generation(request: ChatRequest, target: Target, dropped: list[str]) -> dict[str, Any]:
    """The generationConfig; what it cannot say is added to `dropped`."""
    config = _write_sampling(request.sampling, dropped)
    if request.max_output is not None:
        limit = target.max_output
        config["maxOutputTokens"] = min(request.max_output, limit) if limit > 0 else request.max_output
    if request.answers is not None:
        config["candidateCount"] = request.answers
    if request.output_format is not None:
        config["responseMimeType"] = _JSON
        if request.output_format.schema is not None:
            config["responseSchema"] = clean(request.output_format.schema, "output_format.schema")
    if request.thinking is not None:
        thinking = _write_thinking(request.thinking, target, dropped)
        if thinking:
            if thinking.get("thinkingBudget", 0) >= target.max_output > 0:
                thinking["thinkingBudget"] = within(target.max_output, target.model)
            config["thinkingConfig"] = thinking
    if request.modalities is not None:
        config["responseModalities"] = [kind.upper() for kind in request.modalities]
    if request.image_config:
        words = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
        config["imageConfig"] = {words.get(name, name): value for name, value in request.image_config.items()}
    if request.audio_voice is not None:
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": request.audio_voice}}}
    if request.audio_format is not None:
        dropped.append("audio_format")
    return config


def _write_sampling(sampling: Sampling, dropped: list[str]) -> dict[str, Any]:
    stop = sampling.stop[:MOST_STOPS]
    if len(sampling.stop) > MOST_STOPS:
        dropped.append(f"stop[{MOST_STOPS}:]")
    dropped += [name for name in ("min_p", "logit_bias") if getattr(sampling, name) is not None]
    said = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "seed": sampling.seed,
        "presencePenalty": sampling.presence_penalty,
        "frequencyPenalty": sampling.frequency_penalty,
        "responseLogprobs": sampling.logprobs,
        "logprobs": sampling.top_logprobs,
        "stopSequences": list(stop) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _write_thinking(thinking: Thinking, target: Target, dropped: list[str]) -> dict[str, Any] | None:
    config = write_thinking(thinking, target.model)
    if config is None and thinking.effort is not Effort.NONE and thinking.budget != 0:
        dropped.append("thinking")
    return config
