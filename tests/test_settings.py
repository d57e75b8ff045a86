"""Settings come from options, environment and file, in that order, and a wrong one is named."""

from pathlib import Path

import pytest

from tollway.core.finding import Level
from tollway.kit.toml import TomlError
from tollway.settings import Settings, SettingsError, Vendor, load

VENDORS = (
    Vendor("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
    Vendor("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    Vendor("vllm", "VLLM_API_KEY", "VLLM_BASE_URL", "", needs_key=False),
    Vendor("echo", base_url="http://echo.inside/v1", needs_key=False),
)
SECRET = "sk-very-secret"


@pytest.fixture
def settle(tmp_path):
    def settled(file: str = "", environ: dict | None = None, **argv) -> Settings:
        if file:
            (tmp_path / "tollway.toml").write_text(file)
        return load(environ or {}, argv, VENDORS, tmp_path)

    return settled


def refused(settle, *args, **kwargs) -> str:
    with pytest.raises((SettingsError, TomlError)) as caught:
        settle(*args, **kwargs)
    return str(caught.value)


def test_nothing_has_to_be_set(settle):
    settings = settle()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert [channel.id for channel in settings.channels] == ["echo"]
    assert settings.database_url == "sqlite://"
    assert settings.server.heartbeat_s == 15


def test_an_option_beats_the_environment_which_beats_the_file(settle):
    file, environ = "[server]\nport = 1", {"TOLLWAY_PORT": "2"}
    assert settle(file).server.port == 1
    assert settle(file, environ).server.port == 2
    assert settle(file, environ, port=3).server.port == 3
    assert settle(file, environ, port=None).server.port == 2
    assert settle(file, {"TOLLWAY_PORT": ""}).server.port == 1


@pytest.mark.parametrize(
    ("variable", "text", "read", "value"),
    [
        ("TOLLWAY_HOST", "0.0.0.0", lambda s: s.server.host, "0.0.0.0"),
        ("TOLLWAY_FRONT", "asgi", lambda s: s.server.front, "asgi"),
        ("TOLLWAY_DRAIN_S", "2.5", lambda s: s.server.drain_s, 2.5),
        ("TOLLWAY_DATA_DIR", "/tmp/x", lambda s: s.data_dir, Path("/tmp/x")),
        ("TOLLWAY_DATABASE_URL", "postgresql://h/d", lambda s: s.database_url, "postgresql://h/d"),
        ("TOLLWAY_SHARED_FAILURE", "allow", lambda s: s.server.shared_failure, "allow"),
        ("TOLLWAY_SHARED_URL", "redis://h/1", lambda s: s.server.shared_url, "redis://h/1"),
        ("TOLLWAY_LIMITS_MAX_BODY", "1000", lambda s: s.limits.max_body, 1000),
        ("TOLLWAY_UPSTREAM_CONNECT_TIMEOUT_S", "3", lambda s: s.upstream.connect_timeout_s, 3.0),
        ("TOLLWAY_KEYS_MODELS", "a, b-*", lambda s: s.keys.limits.models, ("a", "b-*")),
        ("TOLLWAY_KEYS_REQUESTS_PER_MINUTE", "7", lambda s: s.keys.limits.requests_per_minute, 7),
        ("TOLLWAY_LEDGER_DURABILITY", "sync", lambda s: s.ledger.durability, "sync"),
        ("TOLLWAY_LEDGER_FLUSH_MS", "20", lambda s: s.ledger.flush_ms, 20),
        ("TOLLWAY_HEALTH_HEDGE", "true", lambda s: s.health.hedge, True),
        ("TOLLWAY_HEALTH_KEYWORDS", "broke, gone", lambda s: s.health.keywords, ("broke", "gone")),
        ("ROUTER_HEALTH_EWMA_ALPHA", "0.3", lambda s: s.health.alpha, 0.3),
        ("CIRCUIT_FAILURE_THRESHOLD", "7", lambda s: s.health.failure_threshold, 7),
        ("CIRCUIT_MIN_AVAILABILITY", "0.25", lambda s: s.health.min_availability, 0.25),
        ("CIRCUIT_COOLDOWN_SECONDS", "12", lambda s: s.health.cooldown_s, 12.0),
        ("TOLLWAY_PLANS_DEFAULT", "free", lambda s: s.plans.default, "free"),
        ("TOLLWAY_RETENTION_RECEIPTS_MONTHS", "13", lambda s: s.retention.receipts_months, 13),
    ],
)
def test_every_table_can_be_set_from_the_environment(settle, variable, text, read, value):
    assert read(settle("", {variable: text})) == value


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("TOLLWAY_PORT", "eighty", "expected `int`"),
        ("TOLLWAY_PORT", "70000", "<= 65535"),
        ("TOLLWAY_FRONT", "gopher", "invalid"),
        ("TOLLWAY_SHARED_URL", "memcached://h", "matching regex"),
        ("TOLLWAY_SHARED_FAILURE", "perhaps", "invalid"),
        ("TOLLWAY_HEARTBEAT_S", "0", "> 0"),
        ("TOLLWAY_LIMITS_MAX_BODY", "-1", "must not be negative"),
        ("TOLLWAY_LEDGER_DURABILITY", "never", "invalid"),
        ("CIRCUIT_FAILURE_THRESHOLD", "0", "CIRCUIT_FAILURE_THRESHOLD: expected `int` >= 1"),
        ("TOLLWAY_LEDGER_LEASE_S", "1", ">= 2"),
        ("TOLLWAY_CONFIG", "/nowhere/x.toml", "there is no file"),
        ("VLLM_BASE_URL", "localhost:8000", "must be http:// or https://"),
    ],
)
def test_a_wrong_variable_is_named(settle, variable, text, problem):
    message = refused(settle, "", {variable: text})
    assert message.startswith(f"{variable}: ")
    assert problem in message


def test_a_wrong_option_is_named(settle):
    assert refused(settle, port="x").startswith("--port: ")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("[server]\nport = 'x'", ":2: server.port: expected `int`, got `str`"),
        ("[server]\nprot = 1", ":2: server.prot: object contains unknown field"),
        ("\n[serve]\n", ":2: serve: is no setting"),
        ("[limits]\nmax_body = -3", ":2: limits.max_body: must not be negative"),
        ("server = 3", ":1: server: expected `object`, got `int`"),
        ("a = [", ":1: not valid TOML"),
        ("[[channels]]\nid = 'a'\nprovider = 'nope'", ":3: channels[0].provider: no such provider"),
        ("[[channels]]\nid = 'a'\nprovider = 'vllm'", ":1: channels[0].base_url: this provider has no address"),
        ("[[channels]]\nid = 'a'\nprovider = 'openai'\nkey_env = 'NOT_SET'", ":4: channels[0].key_env: no key"),
        ("[[channels]]\nid = 'a'\nprovider = 'openai'", ":1: channels[0].key: no key: set it, or the variable OPENAI"),
        ("[[channels]]\nid = 'a'\nprovider = 'echo'\nbase_url = 'ftp://x'", ":4: channels[0].base_url: must be http"),
        ("[[channels]]\nid = 'a'\nprovider = 'echo'\nbase_url = 'http://u:p@x'", "must not hold credentials"),
        ("[[channels]]\nid = 'a'\nprovider = 'echo'\nweight = -1", ":4: channels[0].weight: expected `int` >= 0"),
        ("[[channels]]\nid = 'a'\nprovider = 'echo'\n[[channels]]\nid = 'a'\nprovider = 'echo'", ":5: channels[1].id"),
    ],
)
def test_a_wrong_line_is_named(settle, file, message):
    assert f"tollway.toml{message}" in refused(settle, file) or message in refused(settle, file)


def test_the_file_is_found_here_then_in_the_data_folder_unless_it_is_stated(tmp_path):
    data, stated = tmp_path / "data", tmp_path / "other.toml"
    data.mkdir()
    (data / "tollway.toml").write_text("[server]\nport = 1")
    stated.write_text("[server]\nport = 2")
    environ = {"TOLLWAY_DATA_DIR": str(data)}
    assert load(environ, {}, VENDORS, tmp_path).server.port == 1
    (tmp_path / "tollway.toml").write_text("[server]\nport = 3")
    assert load(environ, {}, VENDORS, tmp_path).server.port == 3
    assert load({**environ, "TOLLWAY_CONFIG": str(stated)}, {}, VENDORS, tmp_path).server.port == 2
    assert load(environ, {"config": str(stated), "data_dir": data}, VENDORS, tmp_path).server.port == 2


def test_the_data_folder_is_the_users_or_here_where_there_is_no_home(tmp_path):
    assert load({"HOME": str(tmp_path)}, {}, VENDORS, tmp_path).data_dir == tmp_path / ".local/share/tollway"
    assert load({"XDG_DATA_HOME": str(tmp_path)}, {}, VENDORS, tmp_path).data_dir == tmp_path / "tollway"
    assert load({}, {}, VENDORS, tmp_path).data_dir == tmp_path / "tollway-data"
    assert load({"HOME": "nowhere"}, {}, VENDORS, tmp_path).data_dir == tmp_path / "tollway-data"


def test_channels_appear_with_their_keys(settle):
    environ = {"OPENAI_API_KEY": f" {SECRET}\n", "VLLM_BASE_URL": "http://gpu:8000/v1/"}
    by_id = {channel.id: channel for channel in settle("", environ).channels}
    assert set(by_id) == {"openai", "vllm", "echo"}
    assert by_id["openai"].key == SECRET
    assert by_id["openai"].base_url == "https://api.openai.com/v1"
    assert by_id["vllm"].base_url == "http://gpu:8000/v1"


def test_a_base_url_moves_a_channel(settle):
    environ = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    assert settle("", environ).channels[0].base_url == "http://127.0.0.1:9/v1"


def test_a_stated_channel_takes_the_place_of_the_one_that_appears_by_itself(settle):
    file = """
    [upstream]
    idle_timeout_s = 7
    [[channels]]
    id = "eu"
    provider = "openai"
    key_env = "EU_KEY"
    base_url = "https://eu.example/v1/"
    priority = 5
    weight = 2
    models = ["gpt-5.2"]
    headers = { X-Org = "me" }
    total_timeout_s = 9.5
    """
    channel, echo = settle(file, {"OPENAI_API_KEY": "other", "EU_KEY": SECRET}).channels
    assert (channel.id, channel.key, channel.base_url) == ("eu", SECRET, "https://eu.example/v1")
    assert (channel.priority, channel.weight, channel.models) == (5, 2, {"gpt-5.2": "gpt-5.2"})
    assert channel.headers == (("x-org", "me"),)
    assert (channel.idle_timeout_s, channel.total_timeout_s, channel.connect_timeout_s) == (7, 9.5, 10)
    assert echo.id == "echo"


def test_a_key_that_no_header_can_carry_is_refused_without_being_told(settle):
    message = refused(settle, "", {"OPENAI_API_KEY": f"{SECRET}\r\nx-evil: 1"})
    assert message.startswith("OPENAI_API_KEY: ")
    assert SECRET not in message


CHANNEL = '[[channels]]\nid = "a"\nprovider = "echo"\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('headers = { x-team = "a\\r\\nx-evil: 1" }', "channels[0].headers.x-team: must be printable ASCII"),
        ('headers = { x-team = "grün" }', "channels[0].headers.x-team: must be printable ASCII"),
        ('headers = { "x team" = "a" }', "is no name for a header"),
        ('headers = { Host = "a" }', "belongs to the connection"),
        ('base_url = "http://h/v1\\nx: y"', "channels[0].base_url: must be printable ASCII"),
        ('models = { m = "a\\nb" }', "channels[0].models: an upstream's name must be printable ASCII"),
        ('key = "a\\nb"', "channels[0].key: the key holds characters"),
        ('keys = ["k", "k"]', ":4: channels[0].keys[1]: this key stands here twice"),
        ('keys_env = "NOT_SET"', ":4: channels[0].keys_env: no key: set it, or the variable NOT_SET"),
        ('key_choice = "first"', ":4: channels[0].key_choice: invalid enum value 'first'"),
        ("rpm = 0", ":4: channels[0].rpm: expected `int` >= 1"),
        ('groups = ["auto"]', ":4: channels[0].groups[0]: 'auto' is no group"),
        ('model_mapping = { a = "b", b = "a" }', ":4: channels[0].model_mapping.a: leads in a circle: a → b → a"),
        ("[channels.status_code_mapping]\n429 = 99", ":5: channels[0].status_code_mapping.429: 99 is no HTTP status"),
        ("[[channels.param_override.operations]]\nmode = 'sett'", ":5: channels[0].param_override.operations[0].mode"),
    ],
)
def test_what_no_request_can_carry_is_refused_at_the_start(settle, line, message):
    assert message in refused(settle, CHANNEL + line)


def test_an_address_from_the_environment_is_looked_at_too(settle):
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://h/\r\nx"}
    assert refused(settle, "", environ).startswith("OPENAI_BASE_URL: must be printable ASCII")


def test_a_channel_takes_many_keys_from_the_file_or_from_a_variable(settle):
    assert settle(CHANNEL + 'keys = ["one", "two"]').channels[0].keys == ("one", "two")
    (channel,) = settle(CHANNEL + 'keys_env = "MANY"', {"MANY": "one\n two ,three\n"}).channels
    assert channel.keys == ("one", "two", "three")


def test_a_number_with_a_point_in_an_override_is_sent_as_a_number(settle):
    (channel,) = settle(CHANNEL + "param_override = { temperature = 0.5 }").channels
    assert channel.param_override.fields == {"temperature": 0.5}
    assert type(channel.param_override.fields["temperature"]) is float


def test_a_channel_of_weight_nothing_is_a_fallback_within_its_tier(settle):
    assert settle(CHANNEL + "weight = 0").channels[0].weight == 0


def test_who_is_locked_out_can_be_settled(settle):
    keys = settle("[keys]\nlockout_failures = 3", {"TOLLWAY_KEYS_LOCKOUT_LOOPBACK_TOO": "true"}).keys
    assert (keys.lockout_failures, keys.lockout_within_s, keys.lockout_locked_s) == (3, 300, 900)
    assert keys.lockout_loopback_too
    assert settle("[keys]\nlockout_failures = 0").keys.lockout_failures == 0


def test_keys_and_passwords_are_never_shown(settle):
    file = f'[[channels]]\nid = "a"\nprovider = "openai"\nkey = "{SECRET}"\nheaders = {{ x = "{SECRET}" }}'
    environ = {"ANTHROPIC_API_KEY": SECRET, "TOLLWAY_DATABASE_URL": f"postgresql://u:{SECRET}@h/d"}
    settings = settle(file, environ)
    shown = f"{settings!r} {settings} {settings.channels} {settings.sheet} {settings.findings} {settings.server}"
    assert SECRET not in shown


def test_a_limit_of_nothing_for_every_key_is_refused(settle):
    assert "keys.requests_per_minute" in refused(settle, "[keys]\nrequests_per_minute = 0")
    assert "keys.parallel_calls" in refused(settle, "[keys]\nparallel_calls = 0")


def test_slips_are_found(settle):
    file = '[[channels]]\nid = "a"\nprovider = "echo"\nkey = "k"'
    environ = {"TOLLWAY_PROT": "1", "TOLLWAY_BENCH_SECONDS": "1", "OPENAI_BASE_URL": "http://x"}
    found = settle(file, environ).findings
    assert [finding.level for finding in found] == [Level.WARN] * 3
    assert found[0].where == "TOLLWAY_PROT"
    assert found[1].where.endswith("tollway.toml:4: channels[0].key")
    assert (found[2].where, found[2].remedy) == ("OPENAI_BASE_URL", "set OPENAI_API_KEY")


def test_the_catalogs_tables_are_handed_on(settle):
    assert settle('[fallbacks]\ngpt-5-mini = ["echo"]').sheet.values["fallbacks"] == {"gpt-5-mini": ["echo"]}
    assert settle().sheet is not None
