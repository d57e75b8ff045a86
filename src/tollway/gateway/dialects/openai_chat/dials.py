"""Sampling, limits, format and the other dials beside the conversation, understood."""

from typing import Any

from tollway.core.chat import OutputFormat, Sampling
from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body, plain
from tollway.gateway.openai_family.fields import (
    a_list,
    an_object,
    flag_or_none,
    integer_or_none,
    number_or_none,
    object_or_none,
    text,
    text_or_none,
    wrong,
)


def read_sampling(body: Body) -> Sampling:
    """The dials of the dice. Raises BadRequest naming the field."""
    bias = object_or_none(plain(body, "logit_bias"), "logit_bias")
    return Sampling(
        temperature=number_or_none(plain(body, "temperature"), "temperature"),
        top_p=number_or_none(plain(body, "top_p"), "top_p"),
        top_k=integer_or_none(plain(body, "top_k"), "top_k"),
        min_p=number_or_none(plain(body, "min_p"), "min_p"),
        seed=integer_or_none(plain(body, "seed"), "seed"),
        presence_penalty=number_or_none(plain(body, "presence_penalty"), "presence_penalty"),
        frequency_penalty=number_or_none(plain(body, "frequency_penalty"), "frequency_penalty"),
        stop=_stop(plain(body, "stop")),
        logprobs=flag_or_none(plain(body, "logprobs"), "logprobs"),
        top_logprobs=integer_or_none(plain(body, "top_logprobs"), "top_logprobs"),
        logit_bias=None if bias is None else {name: _weight(value, name) for name, value in bias.items()},
    )


def _weight(value: Any, name: str) -> float:
    weight = number_or_none(value, f"logit_bias.{name}")
    if weight is None:
        raise wrong(f"logit_bias.{name}", "a number")
    return weight


def _stop(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise wrong("stop", "a string or an array of strings")
    return tuple(text(item, f"stop[{index}]") for index, item in enumerate(value))


def read_format(value: Any) -> OutputFormat | None:
    """`response_format`; None for plain text."""
    if value is None:
        return None
    asked = an_object(value, "response_format")
    kind = text(asked.get("type"), "response_format.type")
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat()
    if kind != "json_schema":
        raise BadRequest(f"response_format.type: unknown {kind!r}", field="response_format.type")
    path = "response_format.json_schema"
    wanted = an_object(asked.get("json_schema"), path)
    return OutputFormat(
        schema=object_or_none(wanted.get("schema"), f"{path}.schema") or {},
        name=text(wanted.get("name"), f"{path}.name"),
        description=text_or_none(wanted.get("description"), f"{path}.description"),
        strict=flag_or_none(wanted.get("strict"), f"{path}.strict"),
    )


def read_modalities(value: Any) -> tuple[str, ...] | None:
    """`modalities` in lower case."""
    if value is None:
        return None
    return tuple(text(item, f"modalities[{i}]").lower() for i, item in enumerate(a_list(value, "modalities")))


def read_voice(value: Any) -> tuple[str | None, str | None]:
    """(voice, format) of `audio`; OpenAI's `{id}` of a custom voice stands as that id."""
    if value is None:
        return None, None
    audio = an_object(value, "audio")
    voice = audio.get("voice")
    if isinstance(voice, dict):
        voice = voice.get("id")
    return text_or_none(voice, "audio.voice"), text_or_none(audio.get("format"), "audio.format")
