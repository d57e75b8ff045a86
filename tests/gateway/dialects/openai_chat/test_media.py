"""Whether a body may hold media is seen at a glance where that is plain, and never wrongly denied."""

import json
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tollway.gateway.dialects.openai_chat import dialect

TEXTS = st.text(alphabet='ab[]{}:,"\\ \n\té', max_size=20)
PARTS = st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "input_audio", "file"]), "text": TEXTS})
TURNS = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXTS | st.lists(PARTS)})
FORMS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 0, 1, 12]),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:  \r\n"), (",", ":" + " " * 30)]),
        "ensure_ascii": st.booleans(),
    }
)


def holds_media(turns: list[dict[str, Any]], form: dict[str, Any]) -> bool:
    body = {"model": msgspec.Raw(b'"m"'), "messages": msgspec.Raw(json.dumps(turns, **form).encode())}
    return dialect.envelope(body, {}).media


@given(st.lists(TURNS, max_size=4), FORMS)
@example([{"role": "user", "content": "[" * 40}, {"role": "user", "content": [{"type": "image_url"}]}], {})
@example([{"role": "user", "content": 'say "content":[{"type":"image_url"}]'}], {"separators": (",", ":")})
def test_every_body_with_media_is_known_for_one(turns: list[dict[str, Any]], form: dict[str, Any]) -> None:
    parts = [part for turn in turns if isinstance(turn["content"], list) for part in turn["content"]]
    assert holds_media(turns, form) == any(part["type"] != "text" for part in parts)


@given(st.lists(st.fixed_dictionaries({"role": st.just("assistant"), "images": st.lists(PARTS)}), min_size=1), FORMS)
def test_pictures_beside_the_words_are_media(turns: list[dict[str, Any]], form: dict[str, Any]) -> None:
    assert holds_media(turns, form)


def test_what_is_not_a_list_of_turns_may_be_anything() -> None:
    for told in (b'"words"', b"[[]]", b"[1]", b'{"a":1}'):
        assert dialect.envelope({"messages": msgspec.Raw(told)}, {}).media
