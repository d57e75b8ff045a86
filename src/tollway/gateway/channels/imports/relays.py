"""Channels of new-api and one-api: rows of their table `channels`, from its database or an export, as ours."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tollway.core.groups import DEFAULT
from tollway.gateway.channels.imports.found import Found, Values, World
from tollway.gateway.channels.imports.relay_types import NAMES, NEW_API, ONE_API, Kind
from tollway.kit.http1.tunnel import proxy_of
from tollway.stated.advanced import INCOMING

KINDS: Mapping[str, Mapping[int, Kind]] = {"new-api": NEW_API, "one-api": ONE_API}
ALLOWED = {
    "allow_service_tier": "service_tier", "allow_inference_geo": "inference_geo", "allow_speed": "speed",
    "allow_safety_identifier": "safety_identifier", "allow_include_obfuscation": "include_obfuscation",
}  # fmt: skip
SWITCHES = {
    "pass_through_body_enabled": "pass_through", "force_format": "force_format",
    "thinking_to_content": "thinking_to_content", "system_prompt_override": "system_prompt_override",
}  # fmt: skip
GROUP_OPTIONS = {
    "GroupRatio": "group_ratio", "GroupGroupRatio": "group_group_ratio", "UserUsableGroups": "user_usable_groups",
    "AutoGroups": "auto_groups", "TopupGroupRatio": "topup_group_ratio",
}  # fmt: skip
HISTORY = "balances, used quota and times of tests are the old hub's history, and stay there"


def read(rows: Sequence[Any], options: Mapping[str, str], world: World, hub: str) -> Found:
    """The channels and groups of a hub of the kind `hub`: `new-api` or `one-api`."""
    found = Found()
    for at, row in enumerate(rows):
        where = f"channels[{at}]"
        if not isinstance(row, Mapping):
            found.note(where, "is no channel")
            continue
        where = f"channel {row.get('id', at)} ({str(row.get('name', ''))[:60]})"
        _channel(row, where, found, world, hub)
    _groups(options, found)
    if any(row.get("used_quota") or row.get("balance") for row in rows if isinstance(row, Mapping)):
        found.note("channels", HISTORY)
    return found


def _channel(row: Mapping[str, Any], where: str, found: Found, world: World, hub: str) -> None:
    number = _whole(row.get("type"))
    kind = KINDS[hub].get(number) if number is not None else None
    if kind is None or kind.provider not in world.providers:
        found.note(
            where, f"type {row.get('type')!r} {NAMES.get(number or 0, '')}".rstrip() + ": no provider here speaks to it"
        )
        return
    made: Values = {"provider": kind.provider}
    base_url = _address(kind, _text(row, "base_url"))
    if base_url != world.providers[kind.provider].base_url:
        made["base_url"] = base_url
    info = _json(row, "channel_info", where, found)
    keys = _keys(_text(row, "key"), info, where, found)
    made |= {"keys": keys} if len(keys) > 1 else {"key": keys[0]} if keys else {}
    status = _whole(row.get("status"))
    if status not in (1, None):
        made["enabled"] = False
    if not keys and world.providers[kind.provider].needs_key:
        made["enabled"] = False
        found.note(f"{where}.key", "there is none (exports leave keys out): the channel is kept switched off")
    if info.get("multi_key_mode") == "polling":
        made["key_choice"] = "round_robin"
    made |= _shape(row, where, found)
    name = _text(row, "name")
    remark = ": ".join(part for part in (name, _text(row, "remark")) if part)
    made |= {"remark": remark[:500]} if remark else {}
    kept = found.add(made, name or f"{hub}-{row.get('id', '')}")
    found.check_models(kept, world, where)


def _address(kind: Kind, url: str) -> str:
    """The address as ours; one that ends with a version already stays."""
    bare = (url or kind.base_url).strip().rstrip("/")
    last = bare.rpartition("/")[2]
    versioned = len(last) > 1 and last[0] == "v" and last[1].isdigit()
    return bare if not bare or versioned or not kind.tail else bare + kind.tail


def _keys(text: str, info: Mapping[str, Any], where: str, found: Found) -> list[str]:
    """The keys of a channel, without those that were switched off."""
    if text.lstrip().startswith(("[", "{")):
        found.note(f"{where}.key", "JSON keys (service accounts) have no counterpart: state a key of your own")
        return []
    every = [line.strip() for line in text.splitlines() if line.strip()]
    states = info.get("multi_key_status_list")
    off = {str(at) for at, state in states.items() if state != 1} if isinstance(states, Mapping) else set()
    if off:
        found.note(f"{where}.key", f"{len(off)} of its keys were switched off and are left out")
    return list(dict.fromkeys(key for at, key in enumerate(every) if str(at) not in off))


def _shape(row: Mapping[str, Any], where: str, found: Found) -> Values:
    made: Values = {}
    models = [name.strip() for name in _text(row, "models").split(",") if name.strip()]
    if models:
        made["models"] = {name: name for name in models}
    groups = [name.strip() for name in _text(row, "group").split(",") if name.strip()]
    if groups:
        made["groups"] = groups
    made |= {name: number for name in ("priority", "weight") if (number := _whole(row.get(name)))}
    made |= {name: text for name in ("tag", "test_model", "system_prompt") if (text := _text(row, name))}
    if row.get("auto_ban") in (0, False):
        made["auto_disable"] = False
    objects = ("model_mapping", "status_code_mapping", "param_override", "header_override")
    made |= {name: value for name in objects if (value := _json(row, name, where, found))}
    if _text(row, "openai_organization"):
        made["headers"] = {"openai-organization": _text(row, "openai_organization")}
    made |= _setting(_json(row, "setting", where, found), where, found)
    made |= _others(_json(row, "settings", where, found), where, found)
    for name, value in _json(row, "config", where, found).items():
        if value:
            found.note(f"{where}.config.{name}", "has no counterpart")
    if _text(row, "other"):
        found.note(f"{where}.other", f"{_text(row, 'other')[:60]!r} has no counterpart")
    return made


def _setting(setting: Mapping[str, Any], where: str, found: Found) -> Values:
    made: Values = {}
    for name, value in setting.items():
        if name in SWITCHES:
            made |= {SWITCHES[name]: True} if value else {}
        elif name == "proxy" and value:
            made |= _proxy(str(value), f"{where}.setting.proxy", found)
        elif name == "system_prompt":
            made |= {"system_prompt": str(value)} if value else {}
        elif value:
            found.note(f"{where}.setting.{name}", "has no counterpart")
    return made


def _proxy(url: str, where: str, found: Found) -> Values:
    try:
        proxy_of(url)
    except ValueError as error:
        found.note(where, f"{error}: the channel is reached without a proxy")
        return {}
    return {"proxy": url}


def _routes(rows: Any, where: str, found: Found) -> list[Any]:
    """Those that lead from a path there is here."""
    taken = []
    for at, row in enumerate(rows if isinstance(rows, list) else []):
        path = row.get("incoming_path") if isinstance(row, Mapping) else None
        if path in INCOMING:
            taken.append({name: value for name, value in row.items() if value is not None})
        else:
            found.note(f"{where}.advanced_routes[{at}]", f"no conversation is taken at {path!r}: left out")
    return taken


def _others(settings: Mapping[str, Any], where: str, found: Found) -> Values:
    made: Values = {}
    allow = [ours for theirs, ours in ALLOWED.items() if settings.get(theirs)]
    if allow:
        made["allow"] = allow
    if settings.get("disable_store"):
        made["disable_store"] = True
    advanced = settings.get("advanced_custom")
    if isinstance(advanced, Mapping) and advanced.get("advanced_routes"):
        made["advanced_routes"] = _routes(advanced["advanced_routes"], f"{where}.settings.advanced_custom", found)
    for name, value in settings.items():
        if value and name not in ALLOWED and name not in ("disable_store", "advanced_custom"):
            found.note(f"{where}.settings.{name}", "has no counterpart")
    return made


def _groups(options: Mapping[str, str], found: Found) -> None:
    """The old hub's groups; a group that a channel names and nobody else gets the ratio 1."""
    for theirs, ours in GROUP_OPTIONS.items():
        if theirs in options:
            try:
                found.groups[ours] = json.loads(options[theirs])
            except (ValueError, RecursionError):
                found.note(f"options.{theirs}", "is not valid JSON")
    if options.get("DefaultUseAutoGroup", "").lower() == "true":
        found.groups["default_use_auto_group"] = True
    ratios = found.groups.get("group_ratio")
    ratios = dict(ratios) if isinstance(ratios, Mapping) else {}
    named = dict.fromkeys(group for row in found.rows for group in row.get("groups", ()))
    for group in named:
        if group not in ratios and group != DEFAULT:
            ratios[group] = 1
    if ratios:
        found.groups["group_ratio"] = ratios


def _json(row: Mapping[str, Any], name: str, where: str, found: Found) -> Mapping[str, Any]:
    """A column that holds a JSON object; empty when it holds nothing of use."""
    value = row.get(name)
    if isinstance(value, str | bytes) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            found.note(f"{where}.{name}", "is not valid JSON, and is left out")
            return {}
    if value and not isinstance(value, Mapping):
        found.note(f"{where}.{name}", "is no JSON object, and is left out")
        return {}
    return value or {}


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
