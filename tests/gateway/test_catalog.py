"""What is on sale, under which names, at which prices; and what is refused."""

from decimal import Decimal

import pytest

from tollway.core.money import credits_of
from tollway.core.usage import Usage
from tollway.gateway.catalog import Catalog
from tollway.gateway.metering.cost import cost
from tollway.kit.toml import TomlError, parse

EMBEDDERS = (
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
    "gemini-embedding-001",
    "mistral-embed",
    "echo-embedding",
)
HUB_TABLE = {
    # hub.md 5.1: credits per 1,000 tokens in and out, context, most output, tools, vision, free plan
    "claude-haiku": (1.4, 7, 200_000, 64_000, True, True, True),
    "claude-sonnet": (4.2, 21, 1_000_000, 128_000, True, True, False),
    "claude-opus": (7, 35, 1_000_000, 128_000, True, True, False),
    "gpt-5-mini": (0.35, 2.8, 400_000, 128_000, True, True, True),
    "gpt-5.2": (2.45, 19.6, 400_000, 128_000, True, True, False),
    "gpt-5.2-codex": (2.45, 19.6, 400_000, 128_000, True, True, False),
    "cmo-agent": (2.45, 19.6, 128_000, 16_384, True, False, False),
    "gemini-3-flash": (0.7, 4.2, 1_048_576, 65_536, True, True, True),
    "gemini-3.1-pro": (2.8, 16.8, 1_048_576, 65_536, True, True, False),
    "gemini-3-image": (3.22, 19.32, 65_536, 32_768, False, True, False),
    "gpt-5-image": (16.1, 16.1, 400_000, 128_000, False, True, False),
    "seedream-4.5": (0, 0, 4_096, 4_096, False, False, False),
    "llama-4-maverick": (0.21, 0.84, 1_048_576, 16_384, True, True, False),
    "deepseek-v3.2": (0.392, 0.56, 163_840, 65_536, True, False, True),
    "deepseek-r1": (0.98, 3.5, 163_840, 32_768, False, False, False),
    "qwen3-coder": (0.42, 1.68, 262_144, 66_536, True, False, False),
    "kimi-k2.5": (0.84, 4.2, 262_144, 262_144, True, True, False),
    "grok-4.1-fast": (0.28, 0.7, 2_000_000, 30_000, True, False, False),
}
MINIMAL = """
[[models]]
id = "mine"
provider = "vllm"
context_window = 1000
max_output = 100
served_by.vllm = "mine-v1"
price.input = 1
price.output = 2.5
"""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def loaded(text: str) -> Catalog:
    return Catalog.load(parse(text, "tollway.toml"), ["vllm"])


@pytest.mark.parametrize("name", HUB_TABLE)
def test_the_18_models_are_sold_as_the_hub_states(catalog, name):
    into, out, context, most, tools, vision, free = HUB_TABLE[name]
    model = catalog.find(name)
    charge_in = cost(Usage(input_total=1000), model.price).charge_nano_usd
    charge_out = cost(Usage(output_total=1000), model.price).charge_nano_usd
    assert (credits_of(charge_in), credits_of(charge_out)) == (into, out)
    assert (model.context_window, model.max_output) == (context, most)
    assert ("tools" in model.abilities, "vision" in model.abilities, model.free_plan) == (tools, vision, free)


def test_the_catalog_lists_the_hubs_models_in_order_and_then_echo(catalog):
    assert [model.id for model in catalog] == [*HUB_TABLE, "echo", *EMBEDDERS]


def test_echo_is_priced_like_a_small_model(catalog):
    echo = catalog.find("echo")
    assert (echo.provider, echo.context_window, echo.max_output) == ("echo", 200_000, 4096)
    assert (echo.price.input, echo.price.output) == (Decimal("1.00"), Decimal("5.00"))


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("claude-haiku-4-5", "claude-haiku"),
        ("claude-haiku-4-5-20251001", "claude-haiku"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("gemini-3-flash-preview", "gemini-3-flash"),
        ("google/gemini-3-flash-preview", "gemini-3-flash"),
        ("anthropic/claude-sonnet-4.6", "claude-sonnet"),
        ("openrouter/anthropic/claude-sonnet-4.6", "claude-sonnet"),
        ("anthropic/claude-opus", "claude-opus"),
        ("deepseek-chat", "deepseek-v3.2"),
        ("grok-4-1-fast", "grok-4.1-fast"),
    ],
)
def test_a_model_answers_to_the_vendors_own_names(catalog, name, id):
    assert catalog.find(name).id == id


def test_nobody_else_is_on_sale(catalog):
    assert catalog.find("gpt-1") is None
    assert catalog.find("vllm/llama") is None


def test_every_fallback_is_on_sale_and_not_the_model_itself(catalog):
    for model in catalog:
        for name in model.fallbacks:
            assert catalog.find(name).id == name != model.id


def test_a_local_engines_model_is_sold_at_the_local_price():
    catalog = loaded("[local]\nprice.input = 0.5\nprice.output = 0.7\n")
    model = catalog.find("vllm/Qwen/Qwen3-8B")
    assert model.id == "vllm/Qwen/Qwen3-8B"
    assert model.served_by == {"vllm": "Qwen/Qwen3-8B"}
    assert model.price.output == Decimal("0.7")
    assert catalog.find("vllm/") is None


def test_what_a_local_engine_lists_has_a_bare_name_unless_it_is_taken():
    catalog = loaded("").with_local("vllm", dict.fromkeys(["llama", "gpt-5.2"]))
    assert catalog.find("llama").id == "vllm/llama"
    assert catalog.find("gpt-5.2").provider == "openai"
    assert catalog.find("vllm/gpt-5.2").provider == "vllm"
    assert [model.id for model in catalog][-2:] == ["vllm/llama", "vllm/gpt-5.2"]
    assert [model.id for model in catalog.with_local("vllm", dict.fromkeys(["llama"]))] == [
        model.id for model in catalog
    ]


def test_an_engines_usual_tag_may_be_left_out_where_that_is_free():
    listed = dict.fromkeys(["llama:latest", "llama:8b", "qwen", "qwen:latest", "gpt-5.2:latest"])
    catalog = loaded("").with_local("ollama", listed, tag=":latest")
    for name in ("llama", "ollama/llama", "llama:latest", "ollama/llama:latest"):
        assert catalog.find(name).id == "ollama/llama:latest", name
    assert catalog.find("qwen").id == catalog.find("ollama/qwen").id == "ollama/qwen"
    assert catalog.find("gpt-5.2").provider == "openai"
    assert catalog.find("ollama/gpt-5.2").id == "ollama/gpt-5.2:latest"


def test_an_engines_context_bounds_what_is_asked_of_it():
    roomy, tight, said = (loaded("").with_local("vllm", {"m": n}).find("m") for n in (1_000_000, 4096, None))
    assert (roomy.context_window, roomy.max_output) == (1_000_000, said.max_output)
    assert (tight.context_window, tight.max_output) == (4096, 4096)


def test_an_engine_may_list_strange_names():
    catalog = (
        loaded("").with_local("vllm", dict.fromkeys(["x", "vllm/x", "x"])).with_local("vllm", dict.fromkeys(["x", "y"]))
    )
    assert [model.id for model in catalog][-3:] == ["vllm/x", "vllm/vllm/x", "vllm/y"]
    assert catalog.find("x").id == catalog.find("vllm/x").id == "vllm/x"


def test_an_operator_adds_a_model():
    model = loaded(MINIMAL).find("mine")
    assert (model.name, model.price.input, model.price.output) == ("mine", 1, Decimal("2.5"))


def test_an_operator_changes_only_what_the_row_states():
    catalog = loaded('[[models]]\nid = "claude-haiku"\nprice.input = 2\nprice.output = 10\n')
    model = catalog.find("claude-haiku")
    assert (model.price.input, model.price.cache_read) == (2, None)
    assert model.max_output == 64_000
    assert model.price.version == catalog.version != Catalog.load().version
    assert catalog.find("claude-opus").price.version == Catalog.load().version


def test_an_operator_takes_a_model_off_sale():
    catalog = loaded('[[models]]\nid = "claude-haiku"\nenabled = false\n')
    assert catalog.find("claude-haiku") is None
    assert catalog.find("claude-haiku-4-5") is None
    assert len(catalog) == len(Catalog.load()) - 1


def test_an_operator_changes_fallbacks():
    assert loaded('[fallbacks]\ngpt-5-mini = ["echo"]\n').find("gpt-5-mini").fallbacks == ("echo",)


def test_different_overrides_have_different_versions():
    assert loaded("[local]\nprice.input = 1\nprice.output = 1").version != loaded(MINIMAL).version


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("price.input = 1\nprice.output = 2.5", ""), "tollway.toml:2: models[0].price: mine has no price"),
        (("price.input = 1\n", ""), "models[0].price.input: object missing required field `input`"),
        (("= 1\n", "= 0\n", "= 2.5", "= 0.0"), "models[0].price: has no price: nothing is sold for nothing"),
        (("= 2.5", "= -2.5"), "tollway.toml:9: models[0].price.output: is negative"),
        (("= 2.5", "= 250_000"), "tollway.toml:9: models[0].price.output: is above 100000 US dollars"),
        (("= 2.5", "= nan"), "tollway.toml:9: models[0].price.output: is not a number"),
        (("= 2.5", "= 0.0000000000001"), "tollway.toml:9: models[0].price.output: has more than 12 digits"),
        (("= 2.5", '= "dear"'), "tollway.toml:9: models[0].price.output: invalid decimal string"),
        (("price.output", "price.outputs"), "tollway.toml:9: models[0].price.outputs: object contains unknown field"),
        (("max_output = 100", "max_output = 0"), "tollway.toml:6: models[0].max_output: must be above zero"),
        (("max_output = 100", "max_output = 'x'"), "tollway.toml:6: models[0].max_output: expected `int`, got `str`"),
        (('served_by.vllm = "mine-v1"', "served_by = {}"), "tollway.toml:7: models[0].served_by: must not be empty"),
        (('id = "mine"', ""), "tollway.toml:2: models[0].id: every model needs an id"),
        (('id = "mine"', 'id = "mine"\naliases = ["gpt-5.2"]'), "'gpt-5.2' names both"),
        (('id = "mine"', 'id = "mine"\nabilities = ["flying"]'), "tollway.toml:4: models[0].abilities"),
        (('id = "mine"', 'id = "mine"\nprice.per_tool_call = { a = -1 }'), "models[0].price.per_tool_call.a: is neg"),
        (('id = "mine"', 'id = "mine"\nprice.long_context_over = -5'), "models[0].price.long_context_over"),
    ],
)
def test_a_bad_row_is_refused_with_its_file_line_and_field(change, message):
    text = MINIMAL
    for old, new in zip(change[::2], change[1::2], strict=True):
        text = text.replace(old, new)
    with pytest.raises(TomlError) as caught:
        loaded(text)
    assert message in str(caught.value)


def test_a_fallback_of_an_unknown_model_is_refused():
    with pytest.raises(TomlError, match=r"tollway.toml:2: fallbacks.gpt-9: names no model"):
        loaded('[fallbacks]\ngpt-9 = ["echo"]\n')


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ('fallbacks = ["text-embedding-3-large"]\nprice.input = 1', "fallbacks"),
        ("price.input = 1\nprice.output = 2", "price.output"),
        ("price.input = 0", "price"),
        ('type = "vectors"\nprice.input = 1', "type"),
    ],
)
def test_a_row_that_no_embedding_model_can_have_is_refused_by_name(more, field):
    kind = "" if "type" in more else 'type = "embedding"\n'
    head = f'[[models]]\nid = "v"\n{kind}provider = "openai"\ncontext_window = 9\nserved_by.openai = "v"\n'
    with pytest.raises(TomlError) as refused:
        loaded(head + more)
    assert field in str(refused.value)


def test_no_model_falls_back_to_one_that_makes_something_else():
    with pytest.raises(TomlError, match="makes something else"):
        loaded('[fallbacks]\ngpt-5-mini = ["text-embedding-3-small"]\n')
