"""Questions and answers are counted as the vendors count, offline, and never above the cheap bound."""

import base64
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.metering.test_images import encoded, png
from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Message,
    OutputFormat,
    Raw,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from tollway.core.media import Media, MediaKind
from tollway.core.model import Model
from tollway.gateway.catalog import Catalog
from tollway.gateway.metering import text as counting
from tollway.gateway.metering.ceiling import TOOL_CALLS_UNSTATED, tool_calls_at_most
from tollway.gateway.metering.estimator import estimate
from tollway.gateway.metering.media import media_tokens
from tollway.gateway.metering.tokens import (
    TextTally,
    count_request,
    count_text,
    hold_tokens,
    is_warm,
    upper_bound,
    warm,
)
from tollway.gateway.metering.vocabulary import Vocabulary, of_family, of_model

CATALOG = Catalog.load()
CLAUDE, GPT, GEMINI, LLAMA = (
    CATALOG.find(name) for name in ("claude-haiku", "gpt-5.2", "gemini-3-flash", "llama-4-maverick")
)
SAMPLE = "The quick brown fox jumps over the lazy dog. Der schnelle braune Fuchs. 敏捷的棕色狐狸。 print(x[0]) 12345"


@pytest.fixture(scope="module", autouse=True)
def warmed():
    warm()
    assert is_warm()


def asking(*parts, model: str = "x", **more) -> ChatRequest:
    return ChatRequest(model=model, messages=(Message(Role.USER, parts),), **more)


def named(model: Model, upstream: str) -> Model:
    return msgspec.structs.replace(model, served_by={"any": upstream})


def test_openai_text_is_counted_exactly():
    assert count_text("openai", "hello world") == 2
    assert count_text("openai", "") == 0


def test_words_that_look_like_control_tokens_are_text():
    assert count_text("openai", "<|endoftext|>") > 1


def test_half_characters_do_no_harm():
    assert count_text("openai", "a\ud800b") > 0
    assert count_text("anthropic", "a\ud800b", exact=True) > 0


def test_other_families_count_somewhat_more():
    openai = count_text("openai", SAMPLE * 20)
    assert openai < count_text("gemini", SAMPLE * 20) < count_text("anthropic", SAMPLE * 20) < 2 * openai


@pytest.mark.parametrize(
    ("family", "upstream", "encoding", "claude"),
    [
        ("openai", "gpt-4-turbo", "cl100k_base", ""),
        ("openai", "gpt-4o-mini", "o200k_base", ""),
        ("openai", "gpt-4.1-nano", "o200k_base", ""),
        ("openai", "gpt-5.2", "o200k_base", ""),
        ("anthropic", "anthropic/claude-sonnet-4.6", "o200k_base", "4.6"),
        ("anthropic", "claude-haiku-4-5-20251001", "o200k_base", "4.6"),
        ("anthropic", "claude-3-5-sonnet-20241022", "o200k_base", "4.6"),
        ("anthropic", "claude-opus-4-7", "o200k_base", "4.8"),
        ("anthropic", "claude-sonnet-5", "o200k_base", "4.8"),
        ("other", "qwen/qwen3-coder", "qwen3", ""),
        ("other", "meta-llama/llama-3.3-70b-instruct", "llama3", ""),
    ],
)
def test_the_upstreams_name_decides_the_tokenizer(family, upstream, encoding, claude):
    model = named(msgspec.structs.replace(GPT, family=family), upstream)
    assert of_model(model)[0::3] == (encoding, claude)


@pytest.mark.skipif(counting._claude("4.6") is None, reason="ctok needs Python 3.12")
def test_claude_is_counted_by_its_own_tokenizer_when_there_is_time():
    quick, exact = count_text("anthropic", SAMPLE * 10), count_text("anthropic", SAMPLE * 10, exact=True)
    assert exact != quick
    assert exact * 0.8 < quick < exact * 1.4


@pytest.mark.skipif(counting._claude("4.6") is None, reason="ctok needs Python 3.12")
def test_a_very_long_text_is_judged_by_samples():
    long = SAMPLE * 400
    whole = counting._claude("4.6")(long)
    assert len(long) > counting.SAMPLED_OVER
    assert whole * 0.95 < count_text("anthropic", long, exact=True) < whole * 1.05


def test_without_a_tokenizer_character_classes_are_weighed():
    assert estimate("openai", "hello world") == 3  # 1.02 + 0.42 + 1.02, upward
    assert estimate("gemini", "42") == 3
    assert estimate("anthropic", "你好") == 3
    assert estimate("openai", "a@b") == 5
    assert estimate("openai", "") == 0
    assert counting.quick(Vocabulary("o200k_base"), "x") == 1


@settings(max_examples=50)
@given(st.text(max_size=300), st.sampled_from([CLAUDE, GPT, GEMINI, LLAMA]))
def test_no_text_counts_more_than_the_bytes_of_its_body(text, model):
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": text}]})
    request = asking(Text(text.replace("\ud800", "")))
    assert count_request(request, model) <= upper_bound(len(body))
    assert count_request(request, model, exact=True) <= upper_bound(len(body))


@given(st.lists(st.text(max_size=200), max_size=60), st.sampled_from(["openai", "anthropic", "gemini", "other"]))
def test_a_tally_agrees_with_counting_the_whole(pieces, family):
    tally = TextTally()
    for piece in pieces:
        tally.add(piece)
    whole = counting.quick(of_family(family), "".join(pieces))
    assert abs(tally.tokens(family) - whole) <= 4
    assert tally.tokens(family) == tally.tokens(family)


def test_a_tally_keeps_little_of_a_long_answer():
    tally = TextTally()
    for _ in range(20_000):
        tally.add("word ")
    assert sum(map(len, (*tally._pieces, tally._sample))) <= 8192
    assert abs(tally.tokens("openai") - 20_000) < 300


def test_everything_in_a_question_counts():
    plain = count_request(asking(Text("hello")), GPT)
    schema = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}}}
    more = [
        asking(Text("hello"), Text("and goodbye")),
        asking(Text("hello"), Reasoning("let me think", redacted="x" * 40)),
        asking(Text("hello"), ToolCall("1", "look", '{"a": 1}')),
        asking(Text("hello"), ToolResult("1", (Text("found"), Media(kind=MediaKind.IMAGE, url="http://x/y.png")))),
        asking(Text("hello"), Raw("openai", {"type": "thing", "value": [1, 2]})),
        asking(Text("hello"), Media(kind=MediaKind.FILE, text="a plain text document")),
        asking(Text("hello"), tools=(Tool(name="look", description="see", schema=schema),)),
        asking(Text("hello"), output_format=OutputFormat(schema=schema)),
    ]
    assert all(count_request(request, GPT) > plain + 2 for request in more)


def test_claude_adds_its_tool_prompt():
    tool = Tool(name="look")
    free = count_request(asking(Text("hi"), tools=(tool,)), CLAUDE)
    forced = count_request(asking(Text("hi"), tools=(tool,), tool_choice=ToolChoice(ChoiceMode.REQUIRED)), CLAUDE)
    assert free - forced == 346 - 313
    assert free > 346


def test_pictures_count_by_their_size_and_unknown_ones_by_the_worst_case():
    shown = Media(kind=MediaKind.IMAGE, mime="image/png", data=encoded(png(1024, 1024)))
    linked = Media(kind=MediaKind.IMAGE, url="https://example.org/a.png")
    assert media_tokens(shown, GPT) == 1229
    assert media_tokens(linked, GPT) == 12_000
    assert media_tokens(shown, CLAUDE) == 1369
    assert media_tokens(linked, CLAUDE) == 1600
    assert media_tokens(shown, GEMINI) == media_tokens(linked, GEMINI) == 1101


def test_documents_count_by_their_pages():
    pages = b"%PDF-1.7 " + b"<< /Type /Page >> " * 3 + b"<< /Type /Pages /Kids [] >>"
    pdf = Media(kind=MediaKind.FILE, mime="application/pdf", data=base64.b64encode(pages).decode())
    packed = Media(kind=MediaKind.FILE, mime="application/pdf", data=base64.b64encode(b"\0" * 120_000).decode())
    assert media_tokens(pdf, GEMINI) == 3 * 258
    assert media_tokens(pdf, CLAUDE) == 3 * 3600
    assert media_tokens(packed, GEMINI) == 3 * 258
    assert media_tokens(Media(kind=MediaKind.FILE, file_id="f"), GEMINI) == 20 * 258


def test_sound_counts_by_the_second_and_never_longer_than_its_bytes_can_hold():
    def wav(rate: int) -> Media:
        head = b"RIFF\0\0\0\0WAVEfmt " + bytes(12) + rate.to_bytes(4, "little") + bytes(16)
        return Media(kind=MediaKind.AUDIO, mime="audio/wav", data=base64.b64encode(head.ljust(96_000, b"\0")).decode())

    assert media_tokens(wav(48_000), GEMINI) == 64
    assert media_tokens(wav(48_000), GPT) == 20
    assert media_tokens(wav(0), GPT) == 960  # a head that lies is not believed beyond 1,000 bytes a second
    mp3 = Media(kind=MediaKind.AUDIO, mime="audio/mpeg", data=base64.b64encode(bytes(40_000)).decode())
    assert media_tokens(mp3, GPT) == 101


def test_server_tools_may_run_as_often_as_stated():
    tools = [
        Tool(name="web_search", kind=ToolKind.SERVER, settings={"max_uses": 3}),
        Tool(name="web_search", kind=ToolKind.SERVER),
        Tool(name="mine"),
    ]
    assert tool_calls_at_most(tools) == 3 + TOOL_CALLS_UNSTATED


def test_a_hold_leans_to_the_safe_side():
    spaces = asking(Text(" " * 4000))
    assert count_request(spaces, GPT) < 1000 <= hold_tokens(spaces, GPT)
    wide = asking(Media(kind=MediaKind.IMAGE, data=encoded(png(4000, 1474))))
    mini = named(GPT, "gpt-4.1-mini")
    assert count_request(wide, mini) < hold_tokens(wide, mini)
    assert hold_tokens(asking(Text(SAMPLE * 10)), GPT) >= count_request(asking(Text(SAMPLE * 10)), GPT)


def test_a_tally_does_not_wait_for_a_tokenizer_to_load():
    program = """
from tollway.gateway.metering.tokens import TextTally, is_warm
tally = TextTally()
tally.add("five small words of text")
print(tally.tokens("openai"), is_warm())
"""
    command, paths = [sys.executable, "-c", program], {"PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=paths).stdout
    assert told.split() == ["7", "False"]
