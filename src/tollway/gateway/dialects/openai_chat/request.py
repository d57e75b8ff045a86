"""A chat completions request: peeked at, edited in place, and understood."""

from typing import Any

import msgspec

from tollway.core.chat import ChatRequest
from tollway.core.errors import BadRequest
from tollway.core.places import Noted, Places
from tollway.gateway.dialect import Body, Edits, Envelope, Opaque, PathArgs, Words, plain
from tollway.gateway.dialects.openai_chat.contents import holds_media, kinds
from tollway.gateway.dialects.openai_chat.dials import read_format, read_modalities, read_sampling, read_voice
from tollway.gateway.dialects.openai_chat.thinking import fit_thoughts, read_thinking
from tollway.gateway.dialects.openai_chat.tools import read_choice, read_tools
from tollway.gateway.dialects.openai_chat.turns_read import read_messages
from tollway.gateway.openai_family.fields import flag_or_none, object_or_none, text_or_none, wrong

MEDIA_MARKERS = (b"image_url", b"input_audio", b'"file"', b"video_url", b"](data:", b'"audio"', b'"images"', b"\\u00")
"""The last one: a name written with escapes could hide any of the others."""
_SEARCHES = frozenset({"web_search_options", "plugins", "search_parameters"})
_KNOWN = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens"),
        *("temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "stop"),
        *("logprobs", "top_logprobs", "logit_bias", "response_format", "verbosity", "modalities", "audio"),
        *("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "web_search_options"),
        *("reasoning_effort", "reasoning", "extra_body", "image_config", "user", "safety_identifier"),
        *("metadata", "store", "service_tier", "prompt_cache_key"),
    )
)
WORDS: Words = {
    "max_output": ("max_tokens", "max_completion_tokens"),
    "answers": "n",
    "output_format": "response_format",
    "output_format.schema": "response_format.json_schema.schema",
    "thinking": ("reasoning_effort", "reasoning", "extra_body.google.thinking_config"),
    "reasoning": "messages.reasoning_content",
    "audio_voice": "audio.voice",
    "audio_format": "audio.format",
    "image_config": ("image_config", "extra_body.google.image_config"),
    "parallel_tools": "parallel_tool_calls",
    "tool_choice": ("tool_choice", "function_call"),
    "tools": ("tools", "functions"),
    "schema": "parameters",
    "tools.strict": "tools.function.strict",
    "tools.format": "tools.custom.format",
    "web_search.context_size": "web_search_options.search_context_size",
    "web_search.user_location": "web_search_options.user_location",
    "user": ("user", "safety_identifier"),
    "cache_key": "prompt_cache_key",
}


_string = msgspec.json.Decoder(str | None).decode
_flag = msgspec.json.Decoder(bool | None).decode
_whole = msgspec.json.Decoder(int | None).decode
_options = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode
_ASK_USAGE = msgspec.Raw(b'{"include_usage":true}')
_TRUE = msgspec.Raw(b"true")


def _peek(decode: Any, value: Any, name: str, wanted: str) -> Any:
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise wrong(name, wanted) from None


def envelope(body: Body, path: PathArgs) -> Envelope:
    """What must be known before the request is understood. Raises BadRequest naming the field."""
    get = body.get
    model = get("model")
    if model is not None:
        model = _peek(_string, model, "model", "a string")
    stream = get("stream")
    stream = stream is not None and bool(_peek(_flag, stream, "stream", "a boolean"))
    asked = get("max_completion_tokens")
    limit = None if asked is None else _limit(asked, "max_completion_tokens")
    asked = get("max_tokens")
    if asked is not None:
        older = _limit(asked, "max_tokens")
        limit = older if limit is None else max(limit, older or 0)
    answers = get("n")
    if answers is not None:
        answers = _peek(_whole, answers, "n", "an integer")
        if answers is not None and answers < 1:
            raise BadRequest("n: at least 1", field="n")
    return Envelope(
        model,
        stream,
        limit,
        answers or 1,
        stream and _wants_usage(get("stream_options")),
        holds_media(get("messages")),
        _runs_tools(body, model),
    )


def _limit(value: Any, name: str) -> int | None:
    limit: int | None = _peek(_whole, value, name, "an integer")
    if limit is not None and limit < 1:
        raise BadRequest(f"{name}: at least 1", field=name)
    return limit


def _wants_usage(options: Any) -> bool:
    given = _peek(_options, options, "stream_options", "an object")
    wanted = given.get("include_usage") if given else None
    return bool(wanted is not None and _peek(_flag, wanted, "stream_options.include_usage", "a boolean"))


def _runs_tools(body: Body, model: str | None) -> bool:
    """Whether the provider may run tools of its own for this body."""
    if not _SEARCHES.isdisjoint(body):
        return True
    if model is not None and ("search" in model or model.endswith(":online")):
        return True
    tools = body.get("tools")
    if not isinstance(tools, msgspec.Raw):
        return tools is not None
    try:
        return any(tool.type not in ("function", "custom") for tool in kinds(tools))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


def edit_request(body: Body, seen: Envelope, edits: Edits) -> Body:
    """The same body for another model name and limit, asking for usage; every other field as it came."""
    edited = dict(body)
    edited["model"] = edits.model
    if edits.ask_usage and seen.stream and not seen.include_usage:
        options = edited.get("stream_options")
        given = _peek(_options, options, "stream_options", "an object") if options is not None else None
        edited["stream_options"] = {**given, "include_usage": _TRUE} if given else _ASK_USAGE
    if edits.max_output is not None:
        _lower(edited, edits.max_output)
    return edited


def _lower(body: Body, most: int) -> None:
    """Both spellings of the limit come down to `most`; where there is none, one is set."""
    stated = False
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        limit = None if value is None else _limit(value, name)
        if limit is not None:
            stated = True
            if limit > most:
                body[name] = most
    if not stated:
        body["max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"] = most
    if "reasoning" in body:
        body["reasoning"] = fit_thoughts(plain(body, "reasoning"), most)


def read_request(body: Body, seen: Envelope, opaque: Opaque) -> ChatRequest:
    """The canonical question. Raises BadRequest naming the place of whatever is wrong."""
    noted: list[Noted] = []
    tools = read_tools(plain(body, "tools"), plain(body, "functions"), plain(body, "web_search_options"), noted)
    choice, allowed = read_choice(plain(body, "tool_choice"), plain(body, "function_call"))
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    google = _google(body)
    voice, audio_format = read_voice(plain(body, "audio"))
    identifier = text_or_none(plain(body, "safety_identifier"), "safety_identifier")
    return ChatRequest(
        model=seen.model or "",
        messages=read_messages(plain(body, "messages"), opaque, noted),
        tools=tools,
        tool_choice=choice,
        parallel_tools=flag_or_none(plain(body, "parallel_tool_calls"), "parallel_tool_calls"),
        sampling=read_sampling(body),
        answers=None if body.get("n") is None else seen.answers,
        max_output=seen.max_output,
        stream=seen.stream,
        include_usage=seen.include_usage,
        output_format=read_format(plain(body, "response_format")),
        thinking=read_thinking(plain(body, "reasoning_effort"), plain(body, "reasoning"), google),
        verbosity=text_or_none(plain(body, "verbosity"), "verbosity"),
        modalities=read_modalities(plain(body, "modalities")),
        audio_voice=voice,
        audio_format=audio_format,
        image_config=_image_config(body, google),
        user=text_or_none(plain(body, "user"), "user") or identifier,
        metadata=object_or_none(plain(body, "metadata"), "metadata"),
        store=flag_or_none(plain(body, "store"), "store"),
        service_tier=text_or_none(plain(body, "service_tier"), "service_tier"),
        cache_key=text_or_none(plain(body, "prompt_cache_key"), "prompt_cache_key"),
        leftover=tuple(name for name in body if name not in _KNOWN and plain(body, name) is not None),
        places=Places(noted),
    )


def _google(body: Body) -> dict[str, Any]:
    extra = object_or_none(plain(body, "extra_body"), "extra_body") or {}
    google = object_or_none(extra.get("google"), "extra_body.google") or {}
    for name in google:
        if name not in ("thinking_config", "image_config", "cached_content", "safety_settings"):
            raise BadRequest(f"extra_body.google.{name}: unknown field", field=f"extra_body.google.{name}")
    return google


def _image_config(body: Body, google: dict[str, Any]) -> dict[str, Any] | None:
    path = "extra_body.google.image_config"
    config = object_or_none(google.get("image_config"), path)
    if config is None:
        return object_or_none(plain(body, "image_config"), "image_config")
    for name in config:
        if name not in ("aspect_ratio", "image_size"):
            raise BadRequest(f"{path}.{name}: unknown field", field=f"{path}.{name}")
    return config
