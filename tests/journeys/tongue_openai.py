"""The `openai` package as a client of the gateway."""

import base64
import json
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from openai import (
    AsyncOpenAI,
    ContentFilterFinishReasonError,
    DefaultAsyncHttpxClient,
    DefaultHttpxClient,
    LengthFinishReasonError,
    OpenAI,
)
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.journeys.speech import ASYNC, STREAM, SUGAR, Attached, Called, Function, Heard, Loop, Spent, Told, Wish
from tests.mocks.script import PNG


class OpenAITongue:
    """Chat completions."""

    name = "openai"

    def __init__(self, url: str, key: str, loop: Loop) -> None:
        self._loop = loop
        self._headers: dict[str, str] = {}
        self.statuses: list[int] = []
        """Of every response so far, those included that the SDK did not show."""

        def hear(response: Any) -> None:
            self.statuses.append(response.status_code)
            self._headers.clear()
            self._headers.update({name.lower(): value for name, value in response.headers.items()})

        async def hear_async(response: Any) -> None:
            hear(response)

        wire = DefaultHttpxClient(event_hooks={"response": [hear]})
        wires = DefaultAsyncHttpxClient(event_hooks={"response": [hear_async]})
        self.client = OpenAI(base_url=f"{url}/v1", api_key=key, http_client=wire)
        self.asynchronous = AsyncOpenAI(base_url=f"{url}/v1", api_key=key, http_client=wires)

    def user(self, text: str, attached: Sequence[Attached]) -> Any:
        """A user's message."""
        if not attached:
            return {"role": "user", "content": text}
        return {"role": "user", "content": [{"type": "text", "text": text}, *(_part(one) for one in attached)]}

    def results(self, told: Sequence[Told]) -> list[Any]:
        """A tool message each; this format has no word for a failure."""
        return [{"role": "tool", "tool_call_id": one.call.id, "content": _result(one)} for one in told]

    def retrying(self, times: int) -> "OpenAITongue":
        """The same with another patience."""
        other = copy(self)
        other.client = self.client.with_options(max_retries=times)
        other.asynchronous = self.asynchronous.with_options(max_retries=times)
        return other

    def bare(self, heard: Heard) -> Any:
        """What clients that know only words and calls send back."""
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.args)}}
            for call in heard.calls
        ]
        return {"role": "assistant", "content": heard.text or None} | ({"tool_calls": calls} if calls else {})

    def ask(self, way: str, model: str, turns: Sequence[Any], wish: Wish) -> Heard:
        """`create`, `parse` or `stream` of `chat.completions`."""
        args = _arguments(model, turns, wish)
        try:
            if way.startswith(ASYNC):
                final = self._loop.run(self._ask_async(way.removeprefix(ASYNC), args, wish))
            else:
                final = self._ask(way, args, wish)
        except (LengthFinishReasonError, ContentFilterFinishReasonError) as told:
            final = told.completion  # the SDK's streams raise at these two endings, with the whole answer inside
        return _heard(final, dict(self._headers))

    def _ask(self, way: str, args: dict[str, Any], wish: Wish) -> Any:
        chat = self.client.chat.completions
        if way == STREAM:
            state = ChatCompletionStreamState(**_shaped(wish))
            for chunk in chat.create(**args, **_written_out(wish), stream=True, **_COUNTED):
                state.handle_chunk(chunk)
            return state.get_final_completion()
        if way == SUGAR:
            with chat.stream(**args, **_shaped(wish), **_COUNTED) as stream:
                for _ in stream:
                    pass
                return stream.get_final_completion()
        return chat.parse(**args, **_shaped(wish)) if wish.shape else chat.create(**args)

    async def _ask_async(self, way: str, args: dict[str, Any], wish: Wish) -> Any:
        chat = self.asynchronous.chat.completions
        if way == STREAM:
            state = ChatCompletionStreamState(**_shaped(wish))
            async for chunk in await chat.create(**args, **_written_out(wish), stream=True, **_COUNTED):
                state.handle_chunk(chunk)
            return state.get_final_completion()
        if way == SUGAR:
            async with chat.stream(**args, **_shaped(wish), **_COUNTED) as stream:
                async for _ in stream:
                    pass
                return await stream.get_final_completion()
        return await (chat.parse(**args, **_shaped(wish)) if wish.shape else chat.create(**args))


_COUNTED: dict[str, Any] = {"stream_options": {"include_usage": True}}


def _part(one: Attached) -> dict[str, Any]:
    data = base64.b64encode(one.data).decode()
    link = one.url or f"data:{one.mime};base64,{data}"
    if one.kind == "image":
        return {"type": "image_url", "image_url": {"url": link}}
    if one.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": one.mime.partition("/")[2]}}
    return {"type": "file", "file": {"filename": "paper.pdf", "file_data": link}}


def _result(told: Told) -> Any:
    if not told.picture:
        return told.text
    return [{"type": "text", "text": told.text}, _part(Attached("image", "image/png", PNG))]


def _arguments(model: str, turns: Sequence[Any], wish: Wish) -> dict[str, Any]:
    system = [{"role": "system", "content": wish.system}] if wish.system else []
    args: dict[str, Any] = {"model": model, "messages": [*system, *turns]}
    if wish.tools:
        args["tools"] = [_function(tool) for tool in wish.tools]
    if wish.choice:
        named = {"type": "function", "function": {"name": wish.choice}}
        args["tool_choice"] = {"any": "required", "none": "none"}.get(wish.choice, named)
    if wish.stop:
        args["stop"] = list(wish.stop)
    if wish.limit is not None:
        args["max_completion_tokens"] = wish.limit
    if wish.think:
        args["reasoning_effort"] = "low"
    if wish.search:
        args["web_search_options"] = {}
    if wish.answers is not None:
        args["n"] = wish.answers
    return args | dict(wish.extra)


def _function(tool: Function) -> dict[str, Any]:
    told = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": told}


def _shaped(wish: Wish) -> dict[str, Any]:
    return {"response_format": wish.shape} if wish.shape else {}


def _written_out(wish: Wish) -> dict[str, Any]:
    """`create` takes no type, so its users write the schema out."""
    if wish.shape is None:
        return {}
    schema = wish.shape.model_json_schema() | {"additionalProperties": False}
    told = {"name": wish.shape.__name__, "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": told}}


def _heard(final: Any, headers: Mapping[str, str]) -> Heard:
    choice = final.choices[0]
    message = choice.message
    calls = message.tool_calls or []
    links = [one.url_citation.url for one in message.annotations or []]
    pictures = [one["image_url"]["url"].partition(",")[2] for one in getattr(message, "images", None) or []]
    return Heard(
        text=message.content or "",
        texts=[one.message.content or "" for one in final.choices],
        thought=getattr(message, "reasoning_content", None) or "",
        calls=[Called(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls],
        refusal=message.refusal or "",
        finish=choice.finish_reason,
        spent=_spent(final.usage),
        parsed=getattr(message, "parsed", None),
        cited=links,
        pictures=[base64.b64decode(data) for data in pictures],
        turn=message,
        headers=headers,
    )


def _spent(usage: Any) -> Spent:
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    prompt, said = usage.prompt_tokens_details, usage.completion_tokens_details
    return Spent(
        usage.prompt_tokens,
        usage.completion_tokens,
        (prompt and prompt.cached_tokens) or 0,
        (prompt and prompt.cache_write_tokens) or 0,
        (said and said.reasoning_tokens) or 0,
    )
