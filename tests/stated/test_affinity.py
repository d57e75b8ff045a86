"""Rules of affinity are checked when they are read, each mistake named by its place."""

import pytest

from tollway.kit.toml import TomlError
from tollway.settings import Vendor, load
from tollway.stated.affinity import USUAL_RULES, Affinity, check_affinity

GOOD = """
[[affinity.rules]]
name = "r"
key_sources = [{ type = "request_header", key = "x-session" }]
"""


def settled(folder, text: str) -> Affinity:
    (folder / "tollway.toml").write_text(text)
    return load({"TOLLWAY_DATA_DIR": str(folder)}, {}, [Vendor("openai")], folder).affinity


def test_without_a_word_the_usual_rules_hold_and_fall_back_when_a_channel_fails(tmp_path):
    assert settled(tmp_path, "").rules == USUAL_RULES
    assert [rule.skip_retry_on_failure for rule in check_affinity(Affinity()).rules] == [False, False]


def test_stated_rules_replace_the_usual_ones(tmp_path):
    assert [rule.name for rule in settled(tmp_path, GOOD).rules] == ["r"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[affinity]\nmax_entries = 0", ":2: affinity.max_entries: expected `int` >= 1"),
        ("[affinity]\nmax = 1", ":2: affinity.max: "),
        (GOOD + 'model_regex = ["("]', "affinity.rules[0].model_regex[0]: is no regular expression"),
        (GOOD + 'value_regex = "("', "affinity.rules[0].value_regex: is no regular expression"),
        (GOOD + "ttl_seconds = 0", "affinity.rules[0].ttl_seconds: expected"),
        ("[[affinity.rules]]\nname = 'r'\nkey_sources = []", "affinity.rules[0].key_sources: a rule needs somewhere"),
        (
            "[[affinity.rules]]\nname = 'r'\nkey_sources = [{ type = 'gjson', key = 'a' }]",
            "affinity.rules[0].key_sources[0].path: gjson needs it",
        ),
        (
            GOOD + "param_override_template = { operations = [{ mode = 'sett' }] }",
            "affinity.rules[0].param_override_template.operations[0].mode: 'sett' is none of",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_its_place(tmp_path, text, message):
    with pytest.raises(TomlError) as caught:
        settled(tmp_path, text)
    assert message in str(caught.value)
