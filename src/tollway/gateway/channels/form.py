"""Reads what people state of a channel that is to be kept: the same rows as in tollway.toml, and a few bounds more."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from tollway.core.errors import BadRequest
from tollway.core.model import Channel
from tollway.gateway.channels.mask import is_masked
from tollway.gateway.provider import Provider
from tollway.kit.toml import show
from tollway.stated.channels import ChannelRow, channel_of
from tollway.stated.wrong import Wrong, convert

MOST_BYTES = 256 * 1024
MOST_KEYS = 1000
MOST_DEPTH = 32
MOST_NUMBER = 2**53
MOST_SECONDS = 7 * 86_400
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,99}")
KEYS = ("key", "keys")
HEADERS = ("headers", "header_override")
"""Fields whose values may hold credentials as well: sealed with the keys, and shown by their names only."""
SECRET = (*HEADERS, "proxy", "advanced_routes")
"""All that is sealed with the keys."""
ELSEWHERE = ("key_env", "keys_env")


class Stated(NamedTuple):
    """A channel as stated, checked."""

    id: str
    enabled: bool
    open: dict[str, Any]
    """What may be read by anybody who may read the database."""
    secret: dict[str, Any]
    """`keys` and the fields of SECRET."""
    channel: Channel


class Form:
    """Knows the providers, and what channels inherit where they state nothing."""

    def __init__(self, providers: Mapping[str, Provider], inherited: Mapping[str, Any]) -> None:
        self._providers, self._inherited = providers, inherited

    def read(self, values: Mapping[str, Any]) -> Stated:
        """The channel that `values` state, None in a field meaning that it is not stated.

        Raises BadRequest naming the field. A channel that is not enabled may lack its key.
        """
        stated = {name: value for name, value in values.items() if value is not None}
        try:
            _check(stated)
            row = convert(stated, ChannelRow, ())
            keys = self._keys(row)
            provider = self._providers[row.provider]
            channel = channel_of(row, keys, row.base_url or provider.base_url, self._inherited)
        except Wrong as wrong:
            raise _refusal(wrong) from wrong
        secret = {"keys": list(channel.keys)} | {name: stated[name] for name in SECRET if stated.get(name)}
        hidden = {"id", "enabled", *KEYS, *SECRET}
        return Stated(row.id, row.enabled, {k: v for k, v in stated.items() if k not in hidden}, secret, channel)

    def _keys(self, row: ChannelRow) -> tuple[str, ...]:
        if row.provider not in self._providers:
            raise Wrong(("provider",), f"no such provider; known are {', '.join(sorted(self._providers))}")
        if self._providers[row.provider].subscription is not None:
            raise Wrong(("provider",), "its credentials are accounts: state them as [accounts.<name>] in tollway.toml")
        if row.key and row.keys:
            raise Wrong(("keys",), "state key or keys, not both")
        keys = row.keys or ((row.key,) if row.key else ())
        for at, key in enumerate(keys):
            if is_masked(key):
                place = ("keys", at) if row.keys else ("key",)
                raise Wrong(place, "is a key as it is shown, not the key itself; leave it out to keep the key there is")
        if len(keys) > MOST_KEYS:
            raise Wrong(("keys",), f"more than {MOST_KEYS} keys")
        if row.enabled and not any(key.strip() for key in keys) and self._providers[row.provider].needs_key:
            raise Wrong(("key",), f"no key, and {row.provider} wants one")
        return keys


def check_id(channel: str) -> str:
    """The id again. Raises BadRequest when no channel could be called so."""
    try:
        _check_id(channel)
    except Wrong as wrong:
        raise _refusal(wrong) from wrong
    return channel


def _check_id(channel: Any) -> None:
    if not isinstance(channel, str) or not _ID.fullmatch(channel):
        raise Wrong(
            ("id",), "must be 1 to 100 letters, digits and any of . _ : @ + -, beginning with a letter or digit"
        )


def _check(stated: Mapping[str, Any]) -> None:
    """What holds whatever the fields mean. Raises Wrong."""
    for name in ELSEWHERE:
        if stated.get(name):
            raise Wrong(
                (name,), "a stored channel holds its key itself: whoever may edit channels must not read variables"
            )
    _check_id(stated.get("id"))
    for name, value in stated.items():
        if name.endswith("_s") and isinstance(value, int | float) and value > MOST_SECONDS:
            raise Wrong((name,), f"more than {MOST_SECONDS} seconds")
    _check_value(stated, ())
    if len(msgspec.json.encode(stated)) > MOST_BYTES:
        raise Wrong((), f"more than {MOST_BYTES} bytes")


def _check_value(value: Any, place: tuple[str | int, ...]) -> None:
    if len(place) > MOST_DEPTH:
        raise Wrong(place[:4], f"more than {MOST_DEPTH} levels deep")
    if isinstance(value, bool):
        return
    if isinstance(value, int | float) and not abs(value) <= MOST_NUMBER:
        raise Wrong(place, "is out of all proportion")
    if isinstance(value, str):
        _check_text(value, place)
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for step, part in parts:
        if isinstance(step, str):
            _check_text(step, place)
        _check_value(part, (*place, step))


def _check_text(text: str, place: tuple[str | int, ...]) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Wrong(place, "is no text: half of a character") from None
    if "\0" in text:
        raise Wrong(place, "holds a NUL character")


def _refusal(wrong: Wrong) -> BadRequest:
    field = show(wrong.place)[:200]
    return BadRequest(f"{field}: {wrong.problem}" if field else wrong.problem, field=field or None)
