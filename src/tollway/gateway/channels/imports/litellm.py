"""LiteLLM's config.yaml as channels: deployments of one address and key become one channel."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tollway.gateway.channels.imports.found import Found, Values, World, slug
from tollway.gateway.channels.imports.litellm_kinds import Kind, kind_of

REFERENCE = "os.environ/"
CREDENTIAL = "litellm_credential_name"
MOST_PARTS = 200_000
TAILS = {"anthropic": ("/v1/messages", "/v1"), "gemini": ("/v1beta", "/v1"), "ollama": ("/api/chat", "/api")}
"""What an address may end with that is added here anyway."""
STRATEGIES = {
    "simple-shuffle": "weighted", "least-busy": "most_headroom", "latency-based-routing": "least_latency",
    "cost-based-routing": "cheapest", "usage-based-routing": "most_headroom", "usage-based-routing-v2": "most_headroom",
}  # fmt: skip
DEFAULTS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty"),
    *("seed", "stop", "reasoning_effort"),
)
"""Parameters of a deployment that hold where the caller says nothing."""
PLAIN = {"weight": "weight", "timeout": "total_timeout_s", "stream_timeout": "first_byte_timeout_s",
         "max_parallel_requests": "parallel", "rpm": "rpm", "tpm": "tpm"}  # fmt: skip
READ = {"model", "api_key", "api_base", "base_url", "custom_llm_provider", "order", "organization", "extra_headers",
        "headers", "tags"} | set(PLAIN)  # fmt: skip


class _Deployment(NamedTuple):
    where: str
    row: Values
    """Without its id."""
    name: str
    upstream: str
    wanted_id: str


def read(config: Any, world: World) -> Found:
    """The channels of a parsed config.yaml."""
    found = Found()
    if not isinstance(config, Mapping):
        found.note("config", "is no mapping: is this LiteLLM's config.yaml?")
        return found
    if _is_endless(config):
        found.note("config", f"unfolds to more than {MOST_PARTS} parts")
        return found
    settings = config.get("environment_variables")
    own = {str(name): str(value) for name, value in settings.items()} if isinstance(settings, Mapping) else {}
    entries = config.get("model_list")
    credentials = _credentials(config, found)
    deployments = []
    for at, entry in enumerate(entries if isinstance(entries, list) else []):
        one = _deployment(_with_credential(entry, credentials), f"model_list[{at}]", found, world, own)
        if one is not None:
            deployments.append(one)
    _join(deployments, found, world)
    _rest(config, found)
    if not found.rows:
        found.note("model_list", "no deployment in it can be taken over")
    return found


def _is_endless(config: Any) -> bool:
    """Whether its aliases unfold beyond all bounds, or into themselves."""
    seen, left = 0, [config]
    while left and seen <= MOST_PARTS:
        part = left.pop()
        seen += 1
        if isinstance(part, Mapping):
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
    return seen > MOST_PARTS


def _deployment(entry: Any, where: str, found: Found, world: World, own: Mapping[str, str]) -> _Deployment | None:
    params = entry.get("litellm_params") if isinstance(entry, Mapping) else None
    if not isinstance(params, Mapping) or not all(
        isinstance(one, str) and one for one in (entry.get("model_name"), params.get("model"))
    ):
        found.note(where, "needs model_name and litellm_params.model")
        return None
    name, model = entry["model_name"], params["model"]
    kind, upstream = kind_of(params, model)
    if kind.provider not in world.providers:
        found.note(where, f"{name!r}: no provider here speaks to {kind.provider!r}")
        return None
    here = _Here(f"{where}.litellm_params", params, own, found, world)
    row = _address_and_key(kind, here)
    if row is None:
        return None
    limits = {field: entry[field] for field in ("rpm", "tpm") if isinstance(entry.get(field), int)}
    row |= _settings({**limits, **params}, here)
    info = entry.get("model_info") if isinstance(entry.get("model_info"), Mapping) else {}
    for field in [one for one in info if one not in ("id", "mode", "db_model")]:
        found.note(f"{where}.model_info.{field}", "is not taken over: prices and abilities are those of the catalog")
    return _Deployment(where, row, name, upstream, str(info.get("id") or ""))


def _credentials(config: Mapping[str, Any], found: Found) -> Mapping[str, Mapping[str, Any]]:
    """Name → parameters, of the credentials that deployments share."""
    listed = config.get("credential_list")
    named: dict[str, Mapping[str, Any]] = {}
    for at, one in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(one, Mapping) and isinstance(one.get("credential_name"), str):
            named[one["credential_name"]] = _mapping(one.get("credential_values"))
        else:
            found.note(f"credential_list[{at}]", "needs credential_name and credential_values")
    return named


def _with_credential(entry: Any, credentials: Mapping[str, Mapping[str, Any]]) -> Any:
    """The entry with the values of the credential it names; an unknown one stays there, to be told of."""
    params = entry.get("litellm_params") if isinstance(entry, Mapping) else None
    name = params.get(CREDENTIAL) if isinstance(params, Mapping) else None
    if params is None or not isinstance(name, str) or name not in credentials:
        return entry
    own = {field: value for field, value in params.items() if field != CREDENTIAL}
    return {**entry, "litellm_params": {**credentials[name], **own}}


class _Here(NamedTuple):
    """The parameters of one deployment, and what their references refer to."""

    where: str
    params: Mapping[str, Any]
    own: Mapping[str, str]
    """The file's own variables."""
    found: Found
    world: World

    def text(self, value: Any, field: str) -> str | None:
        """A text, or what the variable it refers to holds; None where that is not set, which is noted."""
        text = value.strip() if isinstance(value, str) else ""
        if not text.startswith(REFERENCE):
            return text
        name = text.removeprefix(REFERENCE)
        held = self.variable(name)
        if not held:
            self.found.note(f"{self.where}.{field}", f"{name} is not set here")
        return held or None

    def variable(self, name: str) -> str:
        """What a variable holds: the file's own, else the environment's."""
        held = self.own.get(name, "")
        return (held if held and not held.startswith(REFERENCE) else self.world.variable(name) if name else "").strip()


def _address_and_key(kind: Kind, here: _Here) -> Values | None:
    """Where the deployment is, and its key; None when it has no address: it must not be taken for another one."""
    params, found = here.params, here.found
    field = next((name for name in ("api_base", "base_url") if params.get(name)), "")
    stated = here.text(params.get(field), field) if field else ""
    if stated is None or (kind.nowhere and not stated):
        found.note(here.where, "is left out: nothing says where it is")
        return None
    row: Values = {"provider": kind.provider}
    base_url = _address(kind.provider, stated or kind.address)
    if base_url:
        row["base_url"] = base_url
    provider = here.world.providers[kind.provider]
    usual = kind.key_env or provider.key_env
    said = params.get("api_key")
    key = here.text(said, "api_key") if said else here.variable(usual)
    if key:
        row["key"] = key
    elif provider.needs_key:
        row["enabled"] = False
        if not said:
            found.note(f"{here.where}.api_key", f"is not stated, and {usual} is not set here")
        found.note(here.where, "has no key: the channel is kept switched off")
    return row


def _address(provider: str, url: str) -> str:
    url = url.rstrip("/")
    for tail in TAILS.get(provider, ("/chat/completions",)):
        if urlsplit(url).path.endswith(tail):
            return url[: -len(tail)]
    return url


def _settings(params: Mapping[str, Any], here: _Here) -> Values:
    found = here.found
    row: Values = {
        ours: params[theirs] for theirs, ours in PLAIN.items() if isinstance(params.get(theirs), int | float)
    }
    if isinstance(params.get("order"), int):
        row["priority"] = -params["order"]
    headers = {**_mapping(params.get("headers")), **_mapping(params.get("extra_headers"))}
    if params.get("organization"):
        headers["openai-organization"] = params["organization"]
    texts = {str(name): here.text(str(value), f"headers.{name}") for name, value in headers.items()}
    if texts:
        row["headers"] = {name: text for name, text in texts.items() if text is not None}
    tags = params.get("tags")
    if isinstance(tags, list) and len(tags) == 1:
        row["tag"] = str(tags[0])
    elif tags:
        found.note(f"{here.where}.tags", "a channel has one tag: none is taken over")
    defaults = {field: params[field] for field in DEFAULTS if params.get(field) is not None}
    if defaults:
        operations = [
            {"mode": "set", "path": field, "value": value, "keep_origin": True} for field, value in defaults.items()
        ]
        row["param_override"] = {"operations": operations}
    for field in params:
        if field not in READ and field not in DEFAULTS:
            found.note(f"{here.where}.{field}", "has no counterpart")
    return row


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _join(deployments: list[_Deployment], found: Found, world: World) -> None:
    """Deployments that differ only in their model become one channel; those with limits of their own stay alone."""
    rows: dict[str, list[Values]] = {}
    for one in deployments:
        alone = any(name in one.row for name in ("rpm", "tpm", "parallel"))
        mark = f"{one.where if alone else ''}{json.dumps(one.row, sort_keys=True, default=str)}"
        everything = "*" in one.name
        if everything and one.name not in ("*", "**"):
            found.note(
                one.where, f"the pattern {one.name!r}: every model of {one.row['provider']} is served, by its own name"
            )
        free = next((row for row in rows.get(mark, []) if _room(row, one.name, everything)), None)
        if free is None:
            host = slug(urlsplit(one.row.get("base_url", "")).hostname or "")
            base = one.wanted_id or f"litellm-{one.row['provider']}{f'-{host}' if host else ''}"
            free = found.add({**one.row, **({} if everything else {"models": {}})}, base)
            rows.setdefault(mark, []).append(free)
        if not everything:
            free["models"][one.name] = one.upstream
    for row in found.rows:
        found.check_models(row, world, row["id"])


def _room(row: Values, name: str, everything: bool) -> bool:
    return "models" not in row if everything else name not in row.get("models", {name: ""})


def _rest(config: Mapping[str, Any], found: Found) -> None:
    """All that is no channel."""
    router = _mapping(config.get("router_settings"))
    for field, value in router.items():
        where = f"router_settings.{field}"
        if field == "routing_strategy" and value in STRATEGIES:
            found.note(where, f'{value}: say `strategy = "{STRATEGIES[str(value)]}"` under [routing] in tollway.toml')
        elif field in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"):
            found.note(where, f"say it under [fallbacks] in tollway.toml: {json.dumps(value, default=str)[:300]}")
        elif field == "model_group_alias":
            found.note(where, f"say it as `aliases` of [[models]] rows: {json.dumps(value, default=str)[:300]}")
        else:
            found.note(where, "has no counterpart among channels")
    for section in ("litellm_settings", "general_settings"):
        for field in _mapping(config.get(section)):
            found.note(f"{section}.{field}", "is no matter of channels: see the settings of tollway.toml")
    known = {"model_list", "router_settings", "litellm_settings", "general_settings", "environment_variables",
             "credential_list"}  # fmt: skip
    for section in config:
        if section not in known:
            found.note(str(section), "has no counterpart")
