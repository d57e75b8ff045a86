"""Decides what the echo model says to a chat request.

It repeats the last user's words; calls a declared tool that they name or `tool_choice` demands; answers JSON when
a format demands it; honours the token limit and stop words. `[[error:STATUS]]` in the words is answered with that
status and `[[slow:MS]]` waits before every piece. A token is a word.
"""

import hashlib
import json
import re

import msgspec

from tollway.backends.memory.question import Message, Question, Tool, count, text_of, weigh
from tollway.backends.memory.specimen import specimen

MAX_DELAY_MS = 10_000
MAX_ANSWERS = 128
_MARK = re.compile(r"\[\[(error|slow):(\d{1,6})\]\]")


_PLACE = re.compile(r" - at `\$\.(.+)`$")
"""Where msgspec says that something is wrong."""


class Refused(Exception):
    """The parrot answers with an error instead."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        place = _PLACE.search(message)
        self.param = place[1] if place else None
        """The field at fault, as in `messages[0].role`."""


class Call(msgspec.Struct, frozen=True):
    """A tool call the parrot makes."""

    id: str
    type: str
    name: str
    args: str
    """JSON text (function) or free text (custom)."""


class Wanted(msgspec.Struct, frozen=True):
    """What to say, and how."""

    id: str
    model: str
    text: str
    calls: tuple[Call, ...]
    finish: str
    """OpenAI's word: `stop`, `length` or `tool_calls`."""
    prompt_tokens: int
    completion_tokens: int
    """Of all answers together."""
    answers: int
    stream: bool
    show_usage: bool
    delay_s: float


_decode = msgspec.json.Decoder(Question).decode


def listen(body: bytes) -> Wanted:
    """Understand a request and make up the answer. Raises Refused."""
    try:
        question = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, "invalid_request", str(error)) from error
    words = _last_words(question)
    refuse_if_told(words)
    digest = hashlib.sha256(body).hexdigest()
    calls = _calls(question, words, digest)
    text, finish = ("", "tool_calls") if calls else _cut(question, _say(question, _MARK.sub("", words).strip()))
    answers = min(MAX_ANSWERS, max(1, question.n or 1))
    return Wanted(
        id=f"chatcmpl-{digest[:24]}",
        model=question.model,
        text=text,
        calls=calls,
        finish=finish,
        prompt_tokens=sum(weigh(message) for message in question.messages),
        completion_tokens=answers * (count(text) + sum(1 + count(call.args) for call in calls)),
        answers=answers,
        stream=bool(question.stream),
        show_usage=(question.stream_options or {}).get("include_usage") is True,
        delay_s=delay_of(words),
    )


def refuse_if_told(words: str) -> None:
    """Raises Refused when the words say so."""
    marks = dict(_MARK.findall(words))
    if "error" in marks:
        status = min(599, max(400, int(marks["error"])))
        raise Refused(status, "echo_error", f"the echo model was asked to fail with status {status}")


def delay_of(words: str) -> float:
    """Seconds to wait before every piece, if the words say so."""
    return min(MAX_DELAY_MS, int(dict(_MARK.findall(words)).get("slow", 0))) / 1000


def _last_words(question: Question) -> str:
    users = [message for message in question.messages if message.role == "user"]
    return text_of(users[-1]) if users else ""


def _say(question: Question, words: str) -> str:
    if demanded := _demanded_json(question, words):
        return demanded
    if question.messages and question.messages[-1].role in ("tool", "function"):
        return "The tool said: " + "; ".join(text_of(message) for message in _results(question.messages))
    return f"You said: {words}"


def _results(messages: list[Message]) -> list[Message]:
    """The tool results that close the conversation."""
    first = len(messages)
    while first and messages[first - 1].role in ("tool", "function"):
        first -= 1
    return messages[first:]


def _demanded_json(question: Question, words: str) -> str:
    wanted = question.response_format or {}
    if wanted.get("type") == "json_object":
        return json.dumps({"echo": words}, ensure_ascii=False)
    if wanted.get("type") != "json_schema":
        return ""
    described = wanted.get("json_schema")
    schema = described.get("schema", {}) if isinstance(described, dict) else {}
    return json.dumps(specimen(schema), ensure_ascii=False)


def _cut(question: Question, text: str) -> tuple[str, str]:
    stops = [question.stop] if isinstance(question.stop, str) else question.stop or []
    for stop in stops:
        text = text.split(stop, 1)[0] if stop else text
    limits = [limit for limit in (question.max_completion_tokens, question.max_tokens) if limit is not None]
    if limits and count(text) > max(0, *limits):
        return " ".join(text.split()[: max(0, *limits)]), "length"
    return text, "stop"


def _calls(question: Question, words: str, digest: str) -> tuple[Call, ...]:
    chosen = _chosen(question, words)
    if question.parallel_tool_calls is False:
        chosen = chosen[:1]
    return tuple(_call(tool, words, f"call_{digest[:20]}{index}") for index, tool in enumerate(chosen))


def _chosen(question: Question, words: str) -> list[Tool]:
    tools = [tool for tool in question.tools or [] if tool.name]
    choice = question.tool_choice
    if choice == "none" or not tools:
        return []
    if isinstance(choice, dict):
        demanded = choice.get("function") or choice.get("custom") or {}
        return [tool for tool in tools if isinstance(demanded, dict) and tool.name == demanded.get("name")][:1]
    named = [tool for tool in tools if re.search(rf"(?<![\w-]){re.escape(tool.name)}(?![\w-])", words)]
    if choice == "required":
        return named or tools[:1]
    return named if question.messages[-1].role == "user" else []


def _call(tool: Tool, words: str, call_id: str) -> Call:
    if tool.custom is not None:
        return Call(call_id, "custom", tool.name, words)
    args = specimen((tool.function or {}).get("parameters") or {})
    return Call(call_id, "function", tool.name, json.dumps(args if isinstance(args, dict) else {}, ensure_ascii=False))
