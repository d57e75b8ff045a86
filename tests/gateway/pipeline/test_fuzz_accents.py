"""Every provider on sale is told every odd body in its own accent: said, or refused by name; never a fault of ours."""

import msgspec
from hypothesis import given, note
from hypothesis import strategies as st

from tests.gateway.pipeline.effort import effort
from tests.gateway.pipeline.mistakes import damaged, mistaken, written
from tests.gateway.pipeline.questions import Question, questions
from tests.laws.plugins import DIALECTS as BY_NAME
from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body, Dialect, Edits, Envelope, Opaque, Target, close_body, open_body
from tollway.gateway.provider import Provider
from tollway.gateway.stock import known_providers

PROVIDERS = known_providers()
DIALECTS = {
    "openai": BY_NAME["openai_chat"],
    "responses": BY_NAME["openai_responses"],
    "anthropic": BY_NAME["anthropic_messages"],
    "gemini": BY_NAME["gemini"],
    "hub": BY_NAME["hub"],
}
OPAQUE = Opaque(b"k" * 32)
ABLE = frozenset({"tools", "vision", "pdf", "audio_in", "audio_out", "image_out", "reasoning", "structured"})
MODELS = (
    "gpt-5-mini",
    "gpt-4o",
    "o3",
    "claude-sonnet-4-6",
    "claude-3-haiku",
    "claude-opus-4-8-thinking",
    "gemini-3-flash",
    "gemini-2.5-pro",
    "grok-4-1-fast",
    "deepseek-reasoner",
    "mistral-large",
    "",
)


def said(dialect: Dialect, body: Body, envelope: Envelope, provider: Provider, target: Target) -> Body:
    """The body as it would go out: edited within its own dialect, written anew in another."""
    if provider.dialect is dialect:
        return provider.dialect.edit_request(body, envelope, Edits(target.model, target.max_output))
    asked = msgspec.structs.replace(dialect.read_request(body, envelope, OPAQUE), model=target.model)
    return provider.dialect.write_request(asked, target).body


@effort(2000)
@given(
    data=st.data(),
    question=questions,
    name=st.sampled_from(sorted(PROVIDERS)),
    model=st.sampled_from(MODELS),
    able=st.sampled_from((ABLE, frozenset[str]())),
    bytes_too=st.booleans(),
)
def test_every_accent_says_or_refuses_every_body(
    data: st.DataObject, question: Question, name: str, model: str, able: frozenset[str], bytes_too: bool
) -> None:
    sent = written(data.draw(mistaken(question.body, most=2)))
    sent = data.draw(damaged(sent)) if bytes_too else sent
    note(f"{question.path} for {name} {model}: {sent[:2000]!r}")
    provider, dialect = PROVIDERS[name], DIALECTS[question.dialect]
    target = Target(name, model, 8192, able)
    try:
        body = open_body(sent)
        envelope = dialect.envelope(body, {"model": "m", "action": question.path.rpartition(":")[2]})
        out = said(dialect, body, envelope, provider, target)
        accented = provider.accent(out, target)
        provider.drops(out, target)
        assert close_body(accented)
    except BadRequest as refusal:
        assert refusal.message
