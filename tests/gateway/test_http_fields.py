"""Bad bodies that once were a 500: each is refused in the caller's own dialect, and the field is named."""

from collections.abc import Iterator

import pytest

from tests.gateway.pipeline.counter import Counter
from tests.gateway.pipeline.envelope import field_of

HI = b'"messages":[{"role":"user","content":"hi"}]'
PARTS = b'"contents":[{"parts":[{"text":"hi"}]}]'
GEMINI = "/v1beta/models/%s:generateContent"
BAD: dict[str, tuple[str, str, bytes, str]] = {
    "a server tool whose settings are words": (
        "gemini", GEMINI % "echo", b"{%s,\"tools\":[{\"codeExecution\":\"x\"}]}" % PARTS, "tools[0].codeExecution",
    ),
    "a field that is not UTF-8": ("gemini", GEMINI % "echo", b'{%s,"x":"\xd0"}' % PARTS, "x"),
    "a field that is not UTF-8, for another dialect": (
        "hub", "/chat", b'{"model":"claude-haiku",%s,"system":"\xd0"}' % HI, "system",
    ),
    "a setting that is not UTF-8": (
        "gemini", GEMINI % "gemini-3-flash", b'{%s,"generationConfig":{"\xd0":1,"maxOutputTokens":9999999}}' % PARTS,
        "generationConfig",
    ),
    "turns that are not UTF-8, with one of our seals": (
        "anthropic", "/v1/messages", b'{"model":"claude-haiku","max_tokens":9,"messages":["relay1.\xd0"]}', "messages",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("hub"))
    yield counter
    counter.close()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_field_is_named(counter: Counter, name: str) -> None:
    dialect, path, body, field = BAD[name]
    counter.vendors.reset()
    told = counter.ask(path, body)
    counter.lawful(told)
    assert told.status == 400, told
    assert field_of(dialect, told) == field


def test_a_block_of_no_known_type_beside_one_of_our_seals_is_left_to_the_vendor(counter: Counter) -> None:
    counter.vendors.reset()
    body = b'{"model":"claude-haiku","max_tokens":9,"messages":[{"role":"user","content":[{"type":["relay1."]}]}]}'
    told = counter.ask("/v1/messages", body)
    counter.lawful(told)
    assert told.status == 400
    assert counter.vendors.refused
