"""What callers of each dialect may well ask, as Python objects: the soil in which the fuzz plants its mistakes."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mN4BQAAAQABGqQbAgAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQAAAAA="
PDF = "JVBERi0xLjQKJSVFT0YK"
MARKS = ("", "", " [[think]]", " [[refuse]]", " [[length]]", " [[stop]]", " [[cite]]", " [[long:30]]", " [[cached]]",
         " [[nousage]]", " [[empty]]", ' [[tool:get_weather {"city":"Oslo"}]]',
         ' [[tool:get_weather {"city":"a"}]] [[tool:add {"a":1}]]')  # fmt: skip
MODELS = ("gpt-5-mini", "claude-haiku", "gemini-3-flash", "echo", "gpt-5.2-codex", "cmo-agent", "claude-opus",
          "gemini-3.1-pro")  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
    "required": ["city", "days"],
    "additionalProperties": False,
}

words = st.builds(
    str.__add__, st.sampled_from(("hi", "für 🚂", 'a "b"\n\tc\\', " ", "what is it?")), st.sampled_from(MARKS)
)
models = st.sampled_from(MODELS)
names = st.sampled_from(("get_weather", "add", "x"))
limits = st.sampled_from((1, 5, 100, 4096, 2000, 70_000))
ratios = st.sampled_from((0, 0.5, 1, 1.0))


def fields(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> Any:
    """An object with all of one and some of the others."""
    return st.fixed_dictionaries(required, optional=optional)


@dataclass(frozen=True)
class Question:
    """One request: where it goes and what it says."""

    dialect: str
    path: str
    body: Any
    query: str = ""


def _openai_part() -> st.SearchStrategy[Any]:
    url = st.sampled_from((f"data:image/png;base64,{PIXEL}", "https://example.com/a.png"))
    return st.one_of(
        fields({"type": st.just("text"), "text": words}),
        fields({"type": st.just("image_url"),
                "image_url": fields({"url": url}, detail=st.sampled_from(("auto", "low", "high")))}),
        st.just({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}),
        st.just({"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}),
    )  # fmt: skip


def _openai_tool_round() -> st.SearchStrategy[list[Any]]:
    call = {"type": "function", "id": "call_1", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
    said = st.one_of(words, st.lists(fields({"type": st.just("text"), "text": words}), min_size=1, max_size=2))
    return st.tuples(
        fields({"role": st.just("assistant"), "tool_calls": st.just([call])}, content=st.none() | words),
        fields({"role": st.just("tool"), "tool_call_id": st.just("call_1"), "content": said}),
    ).map(list)


_openai_content = words | st.lists(_openai_part(), min_size=1, max_size=3)
_openai_user = fields({"role": st.just("user"), "content": _openai_content}, name=names)
_openai_said = fields({"role": st.just("assistant"), "content": words}, refusal=st.none())
_openai_turns = st.lists(
    st.one_of(
        fields({"role": st.sampled_from(("system", "developer")), "content": words}).map(lambda turn: [turn]),
        _openai_user.map(lambda turn: [turn]),
        st.tuples(_openai_user, _openai_said).map(list),
        st.tuples(_openai_user, _openai_tool_round()).map(lambda two: [two[0], *two[1]]),
    ),
    max_size=3,
).map(lambda rounds: [turn for turns in rounds for turn in turns])
_function = fields(
    {"name": names, "parameters": st.just(SCHEMA)}, description=words, strict=st.sampled_from((True, False))
)
_format = st.sampled_from((
    {"type": "text"}, {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA, "strict": True}},
))  # fmt: skip

openai_bodies = fields(
    {"model": models, "messages": st.tuples(_openai_turns, _openai_user).map(lambda two: [*two[0], two[1]])},
    stream=st.booleans(),
    max_completion_tokens=limits,
    temperature=ratios,
    top_p=ratios,
    n=st.sampled_from((1, 2)),
    stop=st.sampled_from(("END", ["a", "b"], [])),
    tools=st.lists(
        fields({"type": st.just("function"), "function": _function}),
        min_size=1,
        max_size=2,
        unique_by=lambda tool: tool["function"]["name"],
    ),
    tool_choice=st.sampled_from(("auto", "none", "required", {"type": "function", "function": {"name": "x"}})),
    parallel_tool_calls=st.booleans(),
    response_format=_format,
    reasoning_effort=st.sampled_from(("none", "minimal", "low", "high", "xhigh")),
    stream_options=st.just({"include_usage": True}),
    seed=st.integers(0, 9),
    logprobs=st.booleans(),
    logit_bias=st.just({"5": -1}),
    presence_penalty=ratios,
    metadata=st.just({"a": "b"}),
    user=st.just("u1"),
    tomorrow=st.just({"new": [1, None]}),
)

_cache = {"cache_control": st.just({"type": "ephemeral"})}
_claude_block = st.one_of(
    fields({"type": st.just("text"), "text": words}, **_cache),
    st.sampled_from((
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "facts"}, "title": "t"},
    )),
)  # fmt: skip
_claude_user = fields({"role": st.just("user"), "content": words | st.lists(_claude_block, min_size=1, max_size=3)})
_claude_said = st.one_of(
    fields({"type": st.just("text"), "text": words}),
    st.sampled_from((
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "eHg="},
    )),
)  # fmt: skip
_claude_result = fields(
    {"type": st.just("tool_result"), "tool_use_id": st.just("toolu_1")},
    content=words | st.lists(_claude_block, max_size=2),
    is_error=st.booleans(),
)
_claude_round = st.tuples(
    st.lists(_claude_said, max_size=2).map(
        lambda said: {
            "role": "assistant",
            "content": [*said, {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "a"}}],
        }
    ),
    _claude_result.map(lambda result: {"role": "user", "content": [result]}),
).map(list)
_claude_turns = st.lists(
    st.one_of(
        st.tuples(
            _claude_user, fields({"role": st.just("assistant"), "content": st.lists(_claude_said, min_size=1)})
        ).map(list),
        st.tuples(_claude_user, _claude_round).map(lambda two: [two[0], *two[1]]),
    ),
    max_size=2,
).map(lambda rounds: [turn for turns in rounds for turn in turns])

claude_bodies = fields(
    {
        "model": models,
        "max_tokens": limits,
        "messages": st.tuples(_claude_turns, _claude_user).map(lambda two: [*two[0], two[1]]),
    },
    stream=st.booleans(),
    system=words | st.lists(fields({"type": st.just("text"), "text": words}, **_cache), min_size=1, max_size=2),
    temperature=ratios,
    top_p=ratios,
    top_k=st.integers(1, 40),
    stop_sequences=st.sampled_from((["END"], [])),
    tools=st.lists(
        fields({"name": names, "input_schema": st.just(SCHEMA)}, description=words, **_cache)
        | st.just({"type": "web_search_20250305", "name": "web_search", "max_uses": 2}),
        min_size=1, max_size=2, unique_by=lambda tool: tool["name"],
    ),
    tool_choice=st.sampled_from((
        {"type": "auto"}, {"type": "any"}, {"type": "none"},
        {"type": "tool", "name": "x", "disable_parallel_tool_use": True},
    )),
    thinking=st.sampled_from((
        {"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive"}, {"type": "disabled"},
    )),
    output_config=st.sampled_from(({"effort": "low"}, {"format": {"type": "json_schema", "schema": SCHEMA}})),
    metadata=st.just({"user_id": "u1"}),
    service_tier=st.just("auto"),
)  # fmt: skip

_google_part = st.one_of(
    fields({"text": words}),
    st.sampled_from((
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
        {"inline_data": {"mime_type": "application/pdf", "data": PDF}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}},
    )),
)  # fmt: skip
_google_user = fields({"role": st.just("user"), "parts": st.lists(_google_part, min_size=1, max_size=3)})
_google_round = st.sampled_from((
    [{"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {"city": "a"}},
                                  "thoughtSignature": "c2ln"}]},
     {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"result": "cold"}}}]}],
    [{"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "so"}]},
     {"role": "user", "parts": [{"text": "go on"}]}],
))  # fmt: skip
_config = fields(
    {},
    maxOutputTokens=limits,
    temperature=ratios,
    topP=ratios,
    topK=st.integers(1, 40),
    candidateCount=st.sampled_from((1, 2)),
    stopSequences=st.just(["END"]),
    responseMimeType=st.just("application/json"),
    responseSchema=st.just({"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}),
    thinkingConfig=st.sampled_from(({"thinkingBudget": 1024}, {"thinkingLevel": "low", "includeThoughts": True})),
    seed=st.integers(0, 9),
    responseModalities=st.just(["TEXT"]),
)
google_bodies = fields(
    {"contents": st.tuples(_google_user, st.just([]) | _google_round).map(lambda two: [two[0], *two[1]])},
    systemInstruction=fields({"parts": st.lists(fields({"text": words}), min_size=1, max_size=2)}),
    generationConfig=_config,
    tools=st.lists(
        st.sampled_from((
            {"functionDeclarations": [{"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {}}}]},
            {"functionDeclarations": [{"name": "x", "description": "d"}]}, {"googleSearch": {}}, {"codeExecution": {}},
        )),
        min_size=1, max_size=2,
    ),
    toolConfig=st.sampled_from((
        *({"functionCallingConfig": {"mode": mode}} for mode in ("AUTO", "ANY", "NONE")),
        {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}},
    )),
    safetySettings=st.just([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]),
)  # fmt: skip

_hub_block = st.one_of(
    fields({"type": st.just("text"), "text": words}),
    st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}),
)
_hub_user = fields({"role": st.just("user"), "content": words | st.lists(_hub_block, min_size=1, max_size=2)})
_hub_round = st.sampled_from((
    [{"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "x", "input": {"a": 1}}]},
     {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "cold"}]}],
    [{"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "x", "input": {}}]},
     {"role": "tool", "tool_use_id": "t1", "content": [{"type": "text", "text": "cold"}], "is_error": True}],
    [{"role": "system", "content": "be brief"}],
))  # fmt: skip
hub_bodies = fields(
    {"messages": st.tuples(_hub_user, st.just([]) | _hub_round).map(lambda two: [two[0], *two[1]])},
    model=models,
    stream=st.booleans(),
    system=words,
    max_tokens=limits,
    temperature=ratios,
    enable_thinking=st.booleans(),
    tools=st.lists(
        fields({"name": names}, description=words, input_schema=st.just(SCHEMA)),
        max_size=2,
        unique_by=lambda t: t["name"],
    ),
    sse_text_event=st.sampled_from(("text", "chunk")),
    session_id=st.just("s1"),
)

_item_part = st.one_of(
    fields({"type": st.just("input_text"), "text": words}),
    st.sampled_from((
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    )),
)  # fmt: skip
_item_user = fields(
    {"role": st.just("user"), "content": words | st.lists(_item_part, min_size=1, max_size=3)}, type=st.just("message")
)
_item_said = st.lists(
    fields({"type": st.just("output_text"), "text": words, "annotations": st.just([])}), min_size=1
).map(lambda said: {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": said})
_item_thought = st.sampled_from((
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
))  # fmt: skip
_item_rounds = st.sampled_from((
    [{"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
     {"type": "function_call_output", "call_id": "call_1", "output": "cold"}],
    [{"type": "custom_tool_call", "call_id": "call_2", "name": "x", "input": "free"},
     {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "done"}]}],
    [{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}],
))  # fmt: skip
_items = st.lists(
    st.one_of(
        fields({"role": st.sampled_from(("system", "developer")), "content": words}).map(lambda item: [item]),
        st.tuples(_item_user, _item_said).map(list),
        st.tuples(_item_user, _item_thought, _item_said).map(list),
        st.tuples(_item_user, _item_thought, _item_rounds).map(lambda three: [three[0], three[1], *three[2]]),
    ),
    max_size=3,
).map(lambda rounds: [item for items in rounds for item in items])

responses_bodies = fields(
    {"model": models, "input": words | st.tuples(_items, _item_user).map(lambda two: [*two[0], two[1]])},
    stream=st.booleans(),
    instructions=words,
    max_output_tokens=limits,
    temperature=ratios,
    top_p=ratios,
    tools=st.lists(
        fields({"type": st.just("function"), "name": names, "parameters": st.just(SCHEMA)}, strict=st.booleans())
        | st.sampled_from((
            {"type": "custom", "name": "free", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}},
            {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}, "search_context_size": "low"},
        )),
        min_size=1, max_size=2, unique_by=lambda tool: tool.get("name"),
    ),
    tool_choice=st.sampled_from((
        "auto", "none", "required", {"type": "function", "name": "x"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "x"}]},
    )),
    parallel_tool_calls=st.booleans(),
    text=st.sampled_from(({"format": {"type": "text"}, "verbosity": "low"}, {"format": {"type": "json_object"}},
                          {"format": {"type": "json_schema", "name": "w", "schema": SCHEMA, "strict": True}})),
    reasoning=st.sampled_from(({"effort": "low"}, {"effort": "high", "summary": "auto"}, {"effort": "none"})),
    include=st.just(["reasoning.encrypted_content", "message.output_text.logprobs"]),
    store=st.sampled_from((True, False)),
    truncation=st.sampled_from(("auto", "disabled")),
    metadata=st.just({"a": "b"}),
    safety_identifier=st.just("u1"),
    tomorrow=st.just({"new": [1, None]}),
)  # fmt: skip

_google_actions = st.sampled_from((
    ("generateContent", ""), ("streamGenerateContent", "alt=sse"), ("streamGenerateContent", ""), ("countTokens", ""),
))  # fmt: skip


@st.composite
def _google(draw: st.DrawFn) -> Question:
    action, query = draw(_google_actions)
    version = draw(st.sampled_from(("v1beta", "v1")))
    return Question("gemini", f"/{version}/models/{draw(models)}:{action}", draw(google_bodies), query)


questions: st.SearchStrategy[Question] = st.one_of(
    st.builds(Question, st.just("openai"), st.just("/v1/chat/completions"), openai_bodies),
    st.builds(Question, st.just("responses"), st.just("/v1/responses"), responses_bodies),
    st.builds(
        Question,
        st.just("anthropic"),
        st.sampled_from(("/v1/messages", "/anthropic/v1/messages", "/v1/messages/count_tokens")),
        claude_bodies,
    ),
    _google(),
    st.builds(Question, st.just("hub"), st.sampled_from(("/chat", "/code")), hub_bodies),
)
