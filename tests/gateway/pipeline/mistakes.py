"""Every way to get a JSON body wrong: another type, too little, too much, too deep, too long, not even JSON."""

import copy
import json
import re
from typing import Any

from hypothesis import strategies as st

RAW = re.compile(r'"@raw:([^"]*)@"')
"""A string that stands for JSON text the encoder would not write."""
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 1e308, -0.0, "", " ", "x", "\x00",
    "\ud800", "a\udfff", "\\", "../..", "null", "9" * 400, "é" * 50, [], [[]], [None], [0], [""], [{}], {}, {"": None},
    {"type": "text"}, {"type": None}, {"type": "nonsense"}, {"type": ["text"]}, {"text": 1}, {"role": "user"},
    "@raw:NaN@", "@raw:Infinity@", "@raw:-Infinity@", "@raw:1e999@", "@raw:-1e-999@", "@raw:01@", "@raw:@",
    "@raw:" + "9" * 5000 + "@", "@raw:" + "[" * 3000 + "]" * 3000 + "@", "@raw:" + "[" * 200 + "]" * 200 + "@",
    "data:", "data:image/png;base64,", "data:image/png;base64,###", "data:text/html,<b>", "data:;base64,AA", "http://",
    "https://[::1", "file:///etc/passwd", "gs://bucket/a.png", "relay1.openai.AA.AA", "relay1.", "image/png",
    "system", "user", "assistant", "model", "tool", "function", "developer", "nobody", "A" * 5001,
)  # fmt: skip
EXTRA = ("type", "role", "content", "text", "name", "id", "tools", "tool_calls", "cache_control", "x", "", "model",
         "stream", "max_tokens", "n", "functions", "function_call", "source", "image_url", "parts", "thought",
         "signature", "reasoning", "thinking", "citations", "annotations", "audio", "modalities", "__proto__",
         "generation_config", "system_instruction", "contents", "input", "is_error")  # fmt: skip
SHARDS = (b"", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00", b'"', b"\\", b"\\u", b"{", b"}", b"]", b",", b":", b"\n",
          b"\xef\xbb\xbf", b'"model":"echo",', b'"stream":true,', b"null")  # fmt: skip

_COUNTS = (
    0,
    -1,
    1,
    1.0,
    1.5,
    2,
    128,
    129,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    2**64,
    10**19,
    10**30,
    "1",
    "1e3",
    True,
    None,
)
_RATIOS = (-1, 0, 0.1, 1, 1.01, 2, 2.01, -2, 1e308, 10**40, "0.5", None)
_TEXTS = ("", " ", "\x00", "x" * 300, "no/such name", "\u202e", "relay1.gemini.AA.AA", None)
_CONTENTS = (
    "",
    None,
    [],
    [{"type": "text", "text": ""}],
    [{"type": "text"}],
    [{"type": "image", "source": {}}],
    [""],
    [{"type": "tool_result", "tool_use_id": "nobody"}],
    [{"type": "thinking", "thinking": ""}],
    {"text": "x"},
)
_PLACES = (
    "",
    "data:",
    "data:image/png;base64,",
    "data:image/png;base64,###",
    "data:text/html,<b>",
    "data:;base64,AA",
    "http://",
    "https://[::1",
    "https://a b/c.png",
    "ftp://x/y",
    "file:///etc/passwd",
    "gs://bucket/a.png",
    5,
)
_IDS = ("", "nobody", "call_1", "toolu_1", "x" * 300, "a b", None, 7)
PLAUSIBLE: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("n", "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens",
                     "candidateCount", "budget_tokens", "thinkingBudget", "max_uses", "top_k", "topK", "seed",
                     "top_logprobs", "minItems"), _COUNTS),
    **dict.fromkeys(("temperature", "top_p", "topP", "presence_penalty", "frequency_penalty"), _RATIOS),
    **dict.fromkeys(("name", "title", "description", "mimeType", "media_type", "format", "filename", "mode"), _TEXTS),
    **dict.fromkeys(("content", "parts", "system", "systemInstruction"), _CONTENTS),
    **dict.fromkeys(("url", "fileUri", "data", "file_data", "signature", "thoughtSignature", "image_url",
                     "file_url", "encrypted_content"), _PLACES),
    **dict.fromkeys(("id", "tool_use_id", "tool_call_id", "call_id"), _IDS),
    "type": ("text", "image", "image_url", "input_audio", "file", "document", "thinking", "redacted_thinking",
             "refusal",
             "tool_use", "tool_result", "server_tool_use", "web_search_tool_result", "function", "custom", "base64",
             "url", "content", "object", "array", "json_schema", "json_object", "auto", "any", "tool", "none",
             "allowed_tools", "enabled", "adaptive", "web_search_20250305", "bash_20250124", "OBJECT", "search_result",
             "message", "reasoning", "function_call", "function_call_output", "item_reference", "compaction",
             "computer_call", "image_generation_call", "input_text", "input_image", "input_file", "output_text",
             "web_search", "code_interpreter", "mcp", "grammar"),
    "role": ("system", "developer", "user", "assistant", "model", "tool", "function", "", "nobody", None),
    "arguments": ("", "{", "[]", "null", "1", '{"a":NaN}', '"x"', "{}" * 2, '{"a":' * 600 + "1" + "}" * 600),
    "args": (None, [], "x", {"a": [{}]}),
    "input": (None, [], "x", 1, {"a": [{}]}),
    "tool_choice": ("auto", "none", "required", "nonsense", {}, {"type": "function"}, {"type": "tool"}, None,
                    {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
    "model": ("", "nobody", "gpt-5-mini:online", "models/echo", "../echo", "echo\n", "x" * 5000, "\u0130", None, 1),
    "stream": (None, 0, 1, "true", {}),
}  # fmt: skip

Path = tuple[str | int, ...]


def paths(value: Any, at: Path = ()) -> list[Path]:
    """Every place in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, part in inside for path in paths(part, (*at, key)))]


def inside(value: Any, path: Path) -> Any:
    """What is there."""
    for step in path:
        value = value[step]
    return value


def with_at(value: Any, path: Path, new: Any) -> Any:
    """The value with another thing in that place."""
    if not path:
        return new
    holder = inside(value, path[:-1])
    holder[path[-1]] = new
    return value


WAYS = ("plausible", "plausible", "plausible", "strange", "strange", "delete", "extra", "wrap", "repeat", "move")


@st.composite
def mistaken(draw: st.DrawFn, value: Any, most: int = 3) -> Any:
    """The value with one or several mistakes in it."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, most))):
        places = paths(value)
        what = draw(st.sampled_from(WAYS))
        if what == "plausible":
            places = [path for path in places if path and path[-1] in PLAUSIBLE] or places
        path = places[draw(st.integers(0, len(places) - 1))]
        there = inside(value, path)
        if what == "plausible":
            value = with_at(
                value, path, copy.deepcopy(draw(st.sampled_from(PLAUSIBLE.get(str(path[-1:] and path[-1]), (None,)))))
            )
        elif what == "strange":
            value = with_at(value, path, copy.deepcopy(draw(st.sampled_from(STRANGE))))
        elif what == "delete" and path:
            del inside(value, path[:-1])[path[-1]]
        elif what == "extra" and isinstance(there, dict):
            there[draw(st.sampled_from(EXTRA))] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
        elif what == "wrap":
            value = with_at(value, path, [there] if draw(st.booleans()) else {"content": there})
        elif what == "repeat" and isinstance(there, list) and there:
            there.extend(copy.deepcopy(there[-1:]) * draw(st.integers(1, 4)))
        elif what == "move":
            value = with_at(value, path, copy.deepcopy(inside(value, draw(st.sampled_from(places)))))
    return value


def written(value: Any) -> bytes:
    """As JSON, or what looks like it."""
    text = json.dumps(value, ensure_ascii=True)
    return RAW.sub(lambda found: found[1], text).encode()


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with a few cut out, doubled or put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from((0, 0, 1, 3, 40))))
        middle = draw(st.sampled_from((*SHARDS, data[start:end] * 2)) | st.binary(max_size=3))
        data = data[:start] + middle + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data
