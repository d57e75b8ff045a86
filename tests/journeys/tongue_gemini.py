"""The `google-genai` package as a client of the gateway."""

from collections.abc import Mapping, Sequence
from typing import Any

from google import genai
from google.genai import types

from tests.journeys.speech import ASYNC, STREAM, SUGAR, Attached, Called, Heard, Loop, Spent, Told, Wish
from tests.mocks.script import PNG


class GeminiTongue:
    """generateContent; its asynchronous half speaks through aiohttp, as it does by default."""

    name = "gemini"

    def __init__(self, url: str, key: str, loop: Loop) -> None:
        self._loop = loop
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url))
        self.asynchronous = self.client.aio

    def user(self, text: str, attached: Sequence[Attached]) -> Any:
        """A user's content."""
        return types.Content(role="user", parts=[types.Part(text=text), *(_part(one) for one in attached)])

    def results(self, told: Sequence[Told]) -> list[Any]:
        """One content with a part for each."""
        return [types.Content(role="user", parts=[_result(one) for one in told])]

    def retrying(self, times: int) -> "GeminiTongue":
        """By itself this SDK never tries again."""
        return self

    def bare(self, heard: Heard) -> Any:
        """What clients that know only words and calls send back."""
        parts = [types.Part(text=heard.text)] if heard.text else []
        for call in heard.calls:
            parts.append(types.Part(function_call=types.FunctionCall(id=call.id, name=call.name, args=call.args)))
        return types.Content(role="model", parts=parts)

    def ask(self, way: str, model: str, turns: Sequence[Any], wish: Wish) -> Heard:
        """`generate_content`, its stream, or a chat's stream."""
        config = _config(wish)
        if way.startswith(ASYNC):
            chunks = self._loop.run(self._ask_async(way.removeprefix(ASYNC), model, turns, config))
        else:
            chunks = self._ask(way, model, turns, config)
        return _heard(chunks)

    def _ask(self, way: str, model: str, turns: Sequence[Any], config: Any) -> list[Any]:
        if way == STREAM:
            return list(self.client.models.generate_content_stream(model=model, contents=list(turns), config=config))
        if way == SUGAR:
            chat = self.client.chats.create(model=model, config=config, history=list(turns[:-1]))
            return list(chat.send_message_stream(turns[-1].parts))
        return [self.client.models.generate_content(model=model, contents=list(turns), config=config)]

    async def _ask_async(self, way: str, model: str, turns: Sequence[Any], config: Any) -> list[Any]:
        models = self.asynchronous.models
        if way == STREAM:
            stream = await models.generate_content_stream(model=model, contents=list(turns), config=config)
            return [chunk async for chunk in stream]
        if way == SUGAR:
            chat = self.asynchronous.chats.create(model=model, config=config, history=list(turns[:-1]))
            return [chunk async for chunk in await chat.send_message_stream(turns[-1].parts)]
        return [await models.generate_content(model=model, contents=list(turns), config=config)]


def _part(one: Attached) -> Any:
    if one.url:
        return types.Part.from_uri(file_uri=one.url, mime_type=one.mime)
    return types.Part.from_bytes(data=one.data, mime_type=one.mime)


def _result(told: Told) -> Any:
    response = {"error" if told.failed else "output": told.text}
    picture = [types.FunctionResponsePart.from_bytes(data=PNG, mime_type="image/png")] if told.picture else None
    said = types.FunctionResponse(id=told.call.id, name=told.call.name, response=response, parts=picture)
    return types.Part(function_response=said)


def _config(wish: Wish) -> Any:
    config: dict[str, Any] = {}
    if wish.system:
        config["system_instruction"] = wish.system
    if wish.tools:
        declared = [
            types.FunctionDeclaration(name=one.name, description=one.description, parameters_json_schema=one.schema)
            for one in wish.tools
        ]
        config["tools"] = [types.Tool(function_declarations=declared)]
    if wish.search:
        config["tools"] = [*config.get("tools", []), types.Tool(google_search=types.GoogleSearch())]
    if wish.choice:
        mode = {"any": "ANY", "none": "NONE"}.get(wish.choice, "ANY")
        names = None if wish.choice in {"any", "none"} else [wish.choice]
        calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode(mode), allowed_function_names=names)
        config["tool_config"] = types.ToolConfig(function_calling_config=calling)
    if wish.shape:
        config |= {"response_mime_type": "application/json", "response_schema": wish.shape}
    if wish.stop:
        config["stop_sequences"] = list(wish.stop)
    if wish.limit is not None:
        config["max_output_tokens"] = wish.limit
    if wish.think:
        config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
    if wish.answers is not None:
        config["candidate_count"] = wish.answers
    return types.GenerateContentConfig(**config | dict(wish.extra))


def _heard(chunks: list[Any]) -> Heard:
    told: dict[int, list[Any]] = {}
    finish: dict[int, Any] = {}
    grounds: list[Any] = []
    for chunk in chunks:
        for at, candidate in enumerate(chunk.candidates or []):
            index = candidate.index if candidate.index is not None else at
            told.setdefault(index, []).extend((candidate.content and candidate.content.parts) or [])
            finish[index] = candidate.finish_reason or finish.get(index)
            grounds += (candidate.grounding_metadata and candidate.grounding_metadata.grounding_chunks) or []
    parts = told.get(0, [])
    calls = [part.function_call for part in parts if part.function_call]
    ended = finish[0].value
    text = _words(parts)
    return Heard(
        text="" if ended == "SAFETY" else text,
        texts=[_words(told[index]) for index in sorted(told)],
        thought="".join(part.text for part in parts if part.text and part.thought),
        calls=[Called(call.id or "", call.name, call.args or {}) for call in calls],
        refusal=text if ended == "SAFETY" else "",
        finish=ended,
        spent=_spent([chunk.usage_metadata for chunk in chunks if chunk.usage_metadata][-1]),
        parsed=chunks[0].parsed,
        cited=[one.web.uri for one in grounds],
        pictures=[part.inline_data.data for part in parts if part.inline_data],
        turn=types.Content(role="model", parts=[part for part in parts if part.text != "" or part.thought_signature]),
        headers=_lower(chunks[0].sdk_http_response.headers),
    )


def _lower(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _words(parts: Sequence[Any]) -> str:
    return "".join(part.text for part in parts if part.text and not part.thought)


def _spent(usage: Any) -> Spent:
    thought = usage.thoughts_token_count or 0
    said = (usage.candidates_token_count or 0) + thought
    assert usage.total_token_count == usage.prompt_token_count + said
    return Spent(usage.prompt_token_count, said, usage.cached_content_token_count or 0, 0, thought)
