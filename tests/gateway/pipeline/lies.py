"""What providers do when they are ill: wrong statuses, broken JSON, frames lost, doubled and cut, the wire gone."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from tests.gateway.pipeline.mistakes import damaged, mistaken, written
from tests.gateway.pipeline.vendors import Bend, Spoken, straight
from tests.mocks.exchange import MockAnswer

PHASES = ("connect", "tls", "first_byte", "idle", "total", "reset", "protocol", "too_large")
STATUSES = (100, 200, 201, 204, 206, 301, 304, 400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 499, 500, 501,
            502, 503, 504, 520, 524, 529, 599, 600, 999)  # fmt: skip
BODIES = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b"1",
    b'"x"',
    b"[[]]",
    b"[null]",
    b"<html>502 Bad Gateway</html>",
    b"\xff\xfe\x00",
    b"\x1f\x8b\x08\x00",
    b"{" * 5000,
    b'{"error":null}',
    b'{"error":"x"}',
    b'{"error":[]}',
    b'{"error":{}}',
    b'{"error":{"message":null,"code":null,"type":null}}',
    b'{"error":{"message":{"a":[1]},"code":[1],"type":7}}',
    b'{"error":{"message":"no","code":200}}',
    b'{"error":{"message":"no","code":"999"}}',
    b'{"error":{"code":1e999}}',
    b'{"error":{"message":"\\ud800"}}',
    b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
    b'{"type":"error"}',
    b'[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED","details":[null,1,{}]}}]',
    b'{"error":{"code":400,"message":"m","details":[{"retryDelay":"x"},{"retryDelay":"1e999s"},{"reason":null}]}}',
    b'{"detail":[{"loc":[1,null],"msg":5},7]}',
    b'{"message":"m"}',
    b'{"choices":[]}',
    b'{"choices":[{}]}',
    b'{"choices":null,"usage":null}',
    b'{"content":[]}',
    b'{"type":"message","content":[{}]}',
    b'{"candidates":[]}',
    b'{"candidates":[{}]}',
    b'{"promptFeedback":{"blockReason":"OTHER"}}',
    b'{"candidates":[null]}',
    b"data: [DONE]\n\n",
    b'{"usage":{"prompt_tokens":-5,"completion_tokens":-1}}',
    b'{"object":"response","status":"completed","output":[]}',
    b'{"object":"response","status":"failed","error":{"code":"server_error","message":"no"}}',
    b'{"object":"response","status":"in_progress","output":[]}',
    b'{"object":"response","status":"completed","output":[{}],"usage":{"input_tokens":-5}}',
)
FRAMES = (
    b"data: [DONE]\n\n",
    b"data: \n\n",
    b"data: null\n\n",
    b"data: []\n\n",
    b"data: {}\n\n",
    b": ping\n\n",
    b"\n\n",
    b"x\n\n",
    b"event: error\ndata: {}\n\n",
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    b'data: {"type":[]}\n\n',
    b'data: {"error":{"message":"no","code":503}}\n\n',
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'data: {"type":"content_block_stop","index":99}\n\n',
    b'data: {"type":"content_block_delta","index":7}\n\n',
    b'data: {"type":"content_block_delta","index":5,"delta":{"type":"text_delta","text":"x"}}\n\n',
    b'data: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
    b"data: \xff\n\n",
    b'data: {"choices":[{"index":9,"delta":{"tool_calls":[{"index":3}]}}]}\n\n',
    b'data: {"choices":[null]}\n\n',
    b'data: {"choices":[{"index":-1,"delta":{"content":"x"},"finish_reason":"x"}]}\n\n',
    b'data: {"candidates":[{"index":1,"finishReason":"NEW"}]}\n\n',
    b"id: 5\nretry: 1\ndata: {\ndata: }\n\n",
    b'data: {"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":1e30}}\n\n',
    b'data: {"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}\n\n',
    b'data: {"candidates":[{"content":{"parts":[{}]}}],"usageMetadata":{"promptTokenCount":-3}}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","response":{"status":"completed"}}\n\n',
    b'data: {"type":"response.completed","response":{"output":[{"type":"function_call","name":"x"}]}}\n\n',
    b'data: {"type":"response.failed","response":{"error":null}}\n\n',
    b'data: {"type":"error","code":"rate_limit_exceeded","message":"slow"}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"x"}\n\n',
    b'data: {"type":"response.output_text.delta","delta":{"a":1},"output_index":-1}\n\n',
    b'data: {"type":"response.function_call_arguments.delta","item_id":"nobody","delta":"{}"}\n\n',
    b'data: {"type":"response.output_item.added","output_index":0,"item":{}}\n\n',
    b'data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"text":1}]}}\n\n',
    b'data: {"type":"response.output_item.done","item":{"type":"reasoning","encrypted_content":"x","summary":[1]}}\n\n',
)
RETRIES = (
    b"",
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"x",
    b"99999999999",
    b"Wed, 21 Oct 2015 07:28:00 GMT",
    b"\xff",
    b"0.001",
)


def cut_at(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in pieces."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


pieces = st.lists(st.integers(0, 10**6), max_size=6)


@st.composite
def _frame(draw: st.DrawFn, frame: bytes) -> bytes:
    """One frame with a mistake in its JSON."""
    head, mark, rest = frame.partition(b"data: ")
    try:
        told: Any = json.loads(rest)
    except ValueError:
        return draw(damaged(frame))
    return head + mark + written(draw(mistaken(told, most=2))) + b"\n\n"


@st.composite
def _frames(draw: st.DrawFn, frames: list[bytes]) -> list[bytes]:
    """A stream with something wrong in one or two places."""
    frames = list(frames)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(frames) - 1))
        how = draw(st.sampled_from(("mistake", "mistake", "mistake", "lose", "double", "insert", "swap", "damage")))
        if how == "mistake":
            frames[place] = draw(_frame(frames[place]))
        elif how == "lose" and len(frames) > 1:
            del frames[place]
        elif how == "double":
            frames.insert(place, frames[place])
        elif how == "insert":
            frames.insert(place, draw(st.sampled_from(FRAMES)))
        elif how == "swap":
            other = draw(st.integers(0, len(frames) - 1))
            frames[place], frames[other] = frames[other], frames[place]
        else:
            frames[place] = draw(damaged(frames[place]))
    return frames


@st.composite
def _body(draw: st.DrawFn, body: bytes) -> bytes:
    how = draw(st.sampled_from(("mistake", "mistake", "mistake", "damage", "cut", "other")))
    if how == "mistake":
        try:
            return written(draw(mistaken(json.loads(body), most=2)))
        except ValueError:
            return body
    if how == "damage":
        return draw(damaged(body))
    return body[: draw(st.integers(0, len(body)))] if how == "cut" else draw(st.sampled_from(BODIES))


@st.composite
def bent(draw: st.DrawFn, answer: MockAnswer) -> Spoken:
    """The vendor's answer, ill in one of many ways."""
    spoken = straight(answer)
    how = draw(st.sampled_from(("content", "content", "content", "status", "wire", "well")))
    data = b"".join(spoken.pieces)
    if how == "wire":
        fails = draw(st.sampled_from(PHASES))
        if draw(st.booleans()):
            return Spoken(0, (), [], fails)
        data, spoken.fails = data[: draw(st.integers(0, len(data)))], fails
    elif how == "status":
        data = draw(st.sampled_from(BODIES) | st.just(data))
        lines = ((b"retry-after", draw(st.sampled_from(RETRIES))), (b"content-type", b"text/html"))
        return Spoken(draw(st.sampled_from(STATUSES)), lines, cut_at(data, draw(pieces)))
    elif how == "content":
        streamed = isinstance(answer.body, list) and answer.body
        data = b"".join(draw(_frames(list(answer.body)))) if streamed else draw(_body(data))
    spoken.pieces = cut_at(data, draw(pieces))
    return spoken


def bending(data: st.DataObject) -> Bend:
    """Every answer of this example ill in its own way."""
    return lambda answer: data.draw(bent(answer))
