"""The `openai` package as a client of the gateway, by its newer wire: responses."""

import base64
import json
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from tests.journeys.speech import ASYNC, STREAM, SUGAR, Attached, Called, Function, Heard, Loop, Spent, Told, Wish
from tests.mocks.script import PNG


class ResponsesTongue:
    """Responses."""

    name = "responses"

    def __init__(self, url: str, key: str, loop: Loop) -> None:
        self._loop = loop
        self._headers: dict[str, str] = {}
        self.events: list[Any] = []
        """Of the last stream."""

        def hear(response: Any) -> None:
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
        return {"role": "user", "content": [{"type": "input_text", "text": text}, *(_part(one) for one in attached)]}

    def results(self, told: Sequence[Told]) -> list[Any]:
        """An item each; this format has no word for a failure."""
        return [{"type": "function_call_output", "call_id": one.call.id, "output": _result(one)} for one in told]

    def retrying(self, times: int) -> "ResponsesTongue":
        """The same with another patience."""
        other = copy(self)
        other.client = self.client.with_options(max_retries=times)
        other.asynchronous = self.asynchronous.with_options(max_retries=times)
        return other

    def bare(self, heard: Heard) -> Any:
        """What clients that know only words and calls send back."""
        said: list[Any] = [{"role": "assistant", "content": heard.text}] if heard.text else []
        for call in heard.calls:
            words = json.dumps(call.args)
            said.append({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": words})
        return said

    def ask(self, way: str, model: str, turns: Sequence[Any], wish: Wish) -> Heard:
        """`create`, `parse` or `stream` of `responses`."""
        args = _arguments(model, turns, wish)
        self.events = []
        if way.startswith(ASYNC):
            final = self._loop.run(self._ask_async(way.removeprefix(ASYNC), args, wish))
        else:
            final = self._ask(way, args, wish)
        if self.events:
            check_events(self.events)
        return _heard(final, dict(self._headers))

    def _ask(self, way: str, args: dict[str, Any], wish: Wish) -> Any:
        responses = self.client.responses
        if way == STREAM:
            self.events = list(responses.create(**args, **_written_out(wish), stream=True))
            return self.events[-1].response
        if way == SUGAR:
            with responses.stream(**args, **_shaped(wish)) as stream:
                self.events = list(stream)
                last = self.events[-1]
                return stream.get_final_response() if last.type == "response.completed" else last.response
        return responses.parse(**args, **_shaped(wish)) if wish.shape else responses.create(**args)

    async def _ask_async(self, way: str, args: dict[str, Any], wish: Wish) -> Any:
        responses = self.asynchronous.responses
        if way == STREAM:
            self.events = [event async for event in await responses.create(**args, **_written_out(wish), stream=True)]
            return self.events[-1].response
        if way == SUGAR:
            async with responses.stream(**args, **_shaped(wish)) as stream:
                self.events = [event async for event in stream]
                last = self.events[-1]
                return await stream.get_final_response() if last.type == "response.completed" else last.response
        return await (responses.parse(**args, **_shaped(wish)) if wish.shape else responses.create(**args))


def check_events(events: Sequence[Any]) -> None:
    """The vendor's order: numbered from 0, each item added, told and done, the whole in the last event."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1].response
    assert events[-1].type == f"response.{last.status}"
    assert events[0].response.id == last.id
    assert events[0].response.output == []
    added = {event.output_index: event.item for event in events if event.type == "response.output_item.added"}
    done = {event.output_index: event.item for event in events if event.type == "response.output_item.done"}
    assert list(added) == sorted(done) == list(range(len(last.output)))
    assert [plain(done[index]) for index in sorted(done)] == [plain(item) for item in last.output]
    for event in events:
        if hasattr(event, "item_id"):
            assert added[event.output_index].id == event.item_id
    _check_words(events, last)


def _check_words(events: Sequence[Any], last: Any) -> None:
    for index, item in enumerate(last.output):
        mine = [event for event in events if getattr(event, "output_index", None) == index]
        told = "".join(event.delta for event in mine if event.type.endswith(".delta"))
        if item.type == "message":
            assert told == "".join(getattr(part, "text", "") or getattr(part, "refusal", "") for part in item.content)
            ends = [event.type for event in mine][-3:]
            assert ends[1:] == ["response.content_part.done", "response.output_item.done"]
        elif item.type == "function_call":
            assert told == item.arguments
        elif item.type == "reasoning":
            assert told == "".join(part.text for part in item.summary)


def plain(item: Any) -> Any:
    """An item as JSON, without what the SDK itself adds to it."""
    told = item.model_dump(mode="json", exclude={"parsed_arguments", "content"}, exclude_none=True)
    texts = [getattr(part, "text", None) for part in getattr(item, "content", None) or []]
    return told | {"texts": texts}


def _part(one: Attached) -> dict[str, Any]:
    data = base64.b64encode(one.data).decode()
    link = one.url or f"data:{one.mime};base64,{data}"
    if one.kind == "image":
        return {"type": "input_image", "image_url": link, "detail": "auto"}
    if one.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": one.mime.partition("/")[2]}}
    if one.url:
        return {"type": "input_file", "file_url": one.url}
    return {"type": "input_file", "filename": "paper.pdf", "file_data": link}


def _result(told: Told) -> Any:
    if not told.picture:
        return told.text
    return [{"type": "input_text", "text": told.text}, _part(Attached("image", "image/png", PNG))]


def _arguments(model: str, turns: Sequence[Any], wish: Wish) -> dict[str, Any]:
    items = [item for turn in turns for item in (turn if isinstance(turn, list) else [turn])]
    args: dict[str, Any] = {"model": model, "input": items}
    if wish.system:
        args["instructions"] = wish.system
    tools = [_function(tool) for tool in wish.tools] + ([{"type": "web_search"}] if wish.search else [])
    if tools:
        args["tools"] = tools
    if wish.choice:
        named = {"type": "function", "name": wish.choice}
        args["tool_choice"] = {"any": "required", "none": "none"}.get(wish.choice, named)
    if wish.limit is not None:
        args["max_output_tokens"] = wish.limit
    if wish.think:
        args |= {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    return args | dict(wish.extra)


def _function(tool: Function) -> dict[str, Any]:
    told = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", **told, "strict": False}


def _shaped(wish: Wish) -> dict[str, Any]:
    return {"text_format": wish.shape} if wish.shape else {}


def _written_out(wish: Wish) -> dict[str, Any]:
    """`create` takes no type, so its users write the schema out."""
    if wish.shape is None:
        return {}
    schema = wish.shape.model_json_schema() | {"additionalProperties": False}
    form = {"type": "json_schema", "name": wish.shape.__name__, "schema": schema, "strict": True}
    return {"text": {"format": form}}


def _heard(final: Any, headers: Mapping[str, str]) -> Heard:
    parts = [part for item in final.output if item.type == "message" for part in item.content]
    words = [part for part in parts if part.type == "output_text"]
    calls = [item for item in final.output if item.type == "function_call"]
    thoughts = [part.text for item in final.output if item.type == "reasoning" for part in item.summary]
    return Heard(
        text=final.output_text,
        texts=[final.output_text],
        thought="".join(thoughts),
        calls=[Called(call.call_id, call.name, json.loads(call.arguments)) for call in calls],
        refusal="".join(part.refusal for part in parts if part.type == "refusal"),
        finish=final.incomplete_details.reason if final.incomplete_details else final.status,
        spent=_spent(final.usage),
        parsed=getattr(final, "output_parsed", None),
        cited=[note.url for part in words for note in part.annotations],
        pictures=[base64.b64decode(item.result) for item in final.output if item.type == "image_generation_call"],
        turn=list(final.output),
        headers=headers,
    )


def _spent(usage: Any) -> Spent:
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    asked, said = usage.input_tokens_details, usage.output_tokens_details
    return Spent(
        usage.input_tokens,
        usage.output_tokens,
        asked.cached_tokens,
        asked.cache_write_tokens,
        said.reasoning_tokens,
    )
