"""Shows a channel as JSON: everything but its secrets."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tollway.core.model import Channel
from tollway.gateway.channels.mask import bare_url, tails_of
from tollway.gateway.channels.roster import Source
from tollway.gateway.channels.store import ChannelRecord
from tollway.kit.iso8601 import iso

Shown = dict[str, Any]
_read = msgspec.json.Decoder(dict[str, Any]).decode
_AS_IT_IS = (
    *("priority", "weight", "tag", "remark", "key_choice", "rpm", "tpm", "parallel"),
    *("key_rpm", "key_tpm", "key_parallel", "auto_disable", "test_model", "system_prompt", "system_prompt_override"),
    *("force_format", "thinking_to_content", "content_to_thinking", "pass_through"),
)


def show_channel(channel: Channel, source: Source, tails: Mapping[str, list[str]] | None = None) -> Shown:
    """A channel; `tails` replaces what its own keys and headers would show, where they are still sealed."""
    shown = tails or tails_of(channel.keys, (dict(channel.headers), dict(channel.header_override)), channel.proxy)
    return {
        "id": channel.id,
        "source": source.value,
        "provider": channel.provider,
        "base_url": bare_url(channel.base_url),
        "key": next(iter(shown["keys"]), ""),
        "keys": shown["keys"],
        "enabled": channel.enabled,
        "models": None if channel.models is None else sorted(channel.models),
        "groups": list(channel.groups),
        **{name: getattr(channel, name) for name in _AS_IT_IS},
        "advanced_routes": [route.incoming for route in channel.advanced_routes],
        "proxy": next(iter(shown.get("proxy", ())), ""),
        "headers": shown["headers"],
        "header_override": shown["header_override"],
    }


def tails_in(record: ChannelRecord) -> dict[str, list[str]]:
    """What may be shown of a stored channel's secrets."""
    return _read(record.tails)


def show_record(record: ChannelRecord) -> Shown:
    """What is known of a stored channel beside its settings."""
    tested = None
    if record.tested_at_s is not None:
        tested = {"at": iso(record.tested_at_s), "ok": not record.test_problem, "ms": record.test_ms}
        tested["problem"] = record.test_problem
    return {
        "edition": record.edition,
        "created_at": iso(record.created_at_s),
        "changed_at": iso(record.changed_at_s),
        "changed_by": record.changed_by,
        "last_test": tested,
    }


def show_stated(record: ChannelRecord) -> Shown:
    """Its settings in the words they were stated in, secrets left out."""
    return _read(record.body)
