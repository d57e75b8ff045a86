"""The `anthropic` package as a client of the gateway."""

import base64
import json
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from anthropic import Anthropic, AsyncAnthropic, DefaultAsyncHttpxClient, DefaultHttpxClient, transform_schema
from anthropic.types import Message

from tests.journeys.speech import ASYNC, STREAM, SUGAR, Attached, Called, Heard, Loop, Spent, Told, Wish
from tests.mocks.script import PNG


class AnthropicTongue:
    """Messages."""

    name = "anthropic"

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
        self.client = Anthropic(base_url=url, api_key=key, http_client=wire)
        self.asynchronous = AsyncAnthropic(base_url=url, api_key=key, http_client=wires)

    def user(self, text: str, attached: Sequence[Attached]) -> Any:
        """A user's message."""
        if not attached:
            return {"role": "user", "content": text}
        return {"role": "user", "content": [{"type": "text", "text": text}, *(_block(one) for one in attached)]}

    def results(self, told: Sequence[Told]) -> list[Any]:
        """One user message with a block for each."""
        return [{"role": "user", "content": [_result(one) for one in told]}]

    def retrying(self, times: int) -> "AnthropicTongue":
        """The same with another patience."""
        other = copy(self)
        other.client = self.client.with_options(max_retries=times)
        other.asynchronous = self.asynchronous.with_options(max_retries=times)
        return other

    def bare(self, heard: Heard) -> Any:
        """What clients that know only words and calls send back."""
        words = [{"type": "text", "text": heard.text}] if heard.text else []
        calls = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.args} for call in heard.calls]
        return {"role": "assistant", "content": words + calls}

    def ask(self, way: str, model: str, turns: Sequence[Any], wish: Wish) -> Heard:
        """`create`, `parse` or `stream` of `messages`."""
        args = _arguments(model, turns, wish)
        if way.startswith(ASYNC):
            final = self._loop.run(self._ask_async(way.removeprefix(ASYNC), args, wish))
        else:
            final = self._ask(way, args, wish)
        return _heard(final, dict(self._headers))

    def _ask(self, way: str, args: dict[str, Any], wish: Wish) -> Any:
        messages = self.client.messages
        if way == STREAM:
            scribe = Scribe()
            for event in messages.create(**args, **_written_out(wish), stream=True):
                scribe.note(event)
            return scribe.message()
        if way == SUGAR:
            with messages.stream(**args, **_shaped(wish)) as stream:
                text = "".join(stream.text_stream)
                final = stream.get_final_message()
            assert text == _words(final)
            return final
        return messages.parse(**args, **_shaped(wish)) if wish.shape else messages.create(**args)

    async def _ask_async(self, way: str, args: dict[str, Any], wish: Wish) -> Any:
        messages = self.asynchronous.messages
        if way == STREAM:
            scribe = Scribe()
            async for event in await messages.create(**args, **_written_out(wish), stream=True):
                scribe.note(event)
            return scribe.message()
        if way == SUGAR:
            async with messages.stream(**args, **_shaped(wish)) as stream:
                text = "".join([piece async for piece in stream.text_stream])
                final = await stream.get_final_message()
            assert text == _words(final)
            return final
        return await (messages.parse(**args, **_shaped(wish)) if wish.shape else messages.create(**args))


class Scribe:
    """Writes down a stream, and holds it to the vendor's order: one block open at a time, one ending."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {}
        self._open: int | None = None
        self._json = ""
        self._ended = False

    def note(self, event: Any) -> None:
        """The next event."""
        assert not self._ended, f"{event.type} after message_stop"
        known = getattr(self, f"_{event.type}", None)
        if known is not None:  # the vendor asks its callers to pass over what they do not know
            known(event)

    def message(self) -> Message:
        """All of it."""
        assert self._ended
        return Message.model_validate(self._whole)

    def _message_start(self, event: Any) -> None:
        assert not self._whole
        self._whole = event.message.model_dump(exclude_unset=True)

    def _content_block_start(self, event: Any) -> None:
        assert self._open is None
        assert event.index == len(self._whole["content"])
        self._open, self._json = event.index, ""
        self._whole["content"].append(event.content_block.model_dump(exclude_unset=True))

    def _content_block_delta(self, event: Any) -> None:
        assert event.index == self._open
        block, delta = self._whole["content"][self._open], event.delta
        if delta.type == "input_json_delta":
            self._json += delta.partial_json
        elif delta.type == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta.citation.model_dump(exclude_unset=True)]
        else:
            name = delta.type.removesuffix("_delta")
            block[name] = block[name] + getattr(delta, name)

    def _content_block_stop(self, event: Any) -> None:
        assert event.index == self._open
        block = self._whole["content"][self._open]
        if block["type"] == "tool_use":
            block["input"] = json.loads(self._json or "{}")
        self._open = None

    def _message_delta(self, event: Any) -> None:
        assert self._open is None
        self._whole["stop_reason"] = event.delta.stop_reason
        self._whole["stop_sequence"] = event.delta.stop_sequence
        self._whole["usage"] |= event.usage.model_dump(exclude_none=True)

    def _message_stop(self, event: Any) -> None:
        assert self._whole["stop_reason"]
        self._ended = True

    def _ping(self, event: Any) -> None:
        assert self._whole


def _block(one: Attached) -> dict[str, Any]:
    data = base64.b64encode(one.data).decode()
    source = {"type": "url", "url": one.url} if one.url else {"type": "base64", "media_type": one.mime, "data": data}
    return {"type": "image" if one.kind == "image" else "document", "source": source}


def _result(told: Told) -> dict[str, Any]:
    content: Any = told.text
    if told.picture:
        content = [{"type": "text", "text": told.text}, _block(Attached("image", "image/png", PNG))]
    said: dict[str, Any] = {"type": "tool_result", "tool_use_id": told.call.id, "content": content}
    return said | {"is_error": True} if told.failed else said


def _arguments(model: str, turns: Sequence[Any], wish: Wish) -> dict[str, Any]:
    args: dict[str, Any] = {"model": model, "messages": list(turns), "max_tokens": wish.limit or 4000}
    if wish.system:
        args["system"] = wish.system
    if wish.tools:
        args["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in wish.tools
        ]
    if wish.search:
        args["tools"] = [*args.get("tools", []), {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]
    if wish.choice:
        named = {"type": "tool", "name": wish.choice}
        args["tool_choice"] = {"type": wish.choice} if wish.choice in {"any", "none"} else named
    if wish.stop:
        args["stop_sequences"] = list(wish.stop)
    if wish.think:
        args["thinking"] = {"type": "enabled", "budget_tokens": 2000}
    return args | dict(wish.extra)


def _shaped(wish: Wish) -> dict[str, Any]:
    return {"output_format": wish.shape} if wish.shape else {}


def _written_out(wish: Wish) -> dict[str, Any]:
    """`create` takes no type, so its users write the schema out."""
    if wish.shape is None:
        return {}
    return {"output_config": {"format": {"type": "json_schema", "schema": transform_schema(wish.shape)}}}


def _words(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _heard(final: Any, headers: Mapping[str, str]) -> Heard:
    assert headers["request-id"] == headers["x-request-id"]
    blocks = final.content
    text = _words(final)
    refused = final.stop_reason == "refusal"
    links = [one for block in blocks if block.type == "text" for one in block.citations or []]
    return Heard(
        text="" if refused else text,
        texts=[text],
        thought="".join(block.thinking for block in blocks if block.type == "thinking"),
        calls=[Called(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"],
        refusal=text if refused else "",
        finish=final.stop_reason,
        spent=_spent(final.usage),
        parsed=getattr(final, "parsed_output", None),
        cited=[one.url for one in links],
        turn={"role": "assistant", "content": blocks},
        headers=headers,
    )


def _spent(usage: Any) -> Spent:
    read, wrote = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0
    return Spent(usage.input_tokens + read + wrote, usage.output_tokens, read, wrote, thought)
