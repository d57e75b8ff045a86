"""The echo provider is a provider like any other: its dialect understands what its upstream answers."""

import pytest

from tests.laws.corpus import QUESTIONS, gist_of_stream
from tollway.backends.memory import EchoUpstream
from tollway.core.chat import ChatRequest, Text, ToolCall
from tollway.core.errors import Remedy
from tollway.core.stream import Completed, Finish
from tollway.gateway.dialect import Target, close_body
from tollway.gateway.provider import Aim
from tollway.gateway.providers.echo import provider
from tollway.kit.http1.wire import Inbound, Outbound
from tollway.kit.sse import SseReader


async def asked(request: ChatRequest, stream: bool) -> Inbound:
    target = Target("echo", "echo", 1000, frozenset({"tools", "vision", "structured"}))
    body = dict(provider.dialect.write_request(request, target).body)
    body |= {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    path = provider.path(Aim("echo", stream)).encode()
    return await EchoUpstream().send(Outbound(provider.base_url, path, (), close_body(provider.accent(body, target))))


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_stream_and_a_whole_answer_say_the_same(name: str) -> None:
    answer = provider.dialect.read_reply(await (await asked(QUESTIONS[name], False)).read())
    decoder, reader = provider.dialect.decoder(), SseReader()
    frames = reader.feed(await (await asked(QUESTIONS[name], True)).read())
    told = gist_of_stream([*(event for frame in frames for event in decoder.frame(frame)), *decoder.close()])
    parts = answer.choices[0].parts
    assert told["text"] == "".join(part.text for part in parts if isinstance(part, Text))
    assert [call for call, _ in told["calls"]] == [part.name for part in parts if isinstance(part, ToolCall)]
    assert told["terminal"] == [Completed]
    assert told["finish"] is answer.choices[0].finish
    assert answer.usage is not None
    assert told["usage"] == (answer.usage.input_total, answer.usage.output_total)


async def test_a_forced_tool_is_called() -> None:
    answer = provider.dialect.read_reply(await (await asked(QUESTIONS["a forced tool"], False)).read())
    assert answer.choices[0].finish is Finish.TOOL_CALLS


async def test_an_ordered_error_is_a_fault_with_its_remedy() -> None:
    inbound = await EchoUpstream().send(
        Outbound(provider.base_url, b"/", (), b'{"messages": [{"role": "user", "content": "[[error:503]]"}]}')
    )
    fault = provider.dialect.read_error(inbound.status, dict(inbound.headers), await inbound.read())
    assert (fault.status, fault.remedy) == (503, Remedy.NEXT_CHANNEL)
    assert "asked to fail" in fault.message
