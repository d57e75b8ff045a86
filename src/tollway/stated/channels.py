"""From a channel as an operator states it, in the settings file or the database, to one that may be used."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from tollway.core.ids import ChannelId
from tollway.core.model import STRIPPED, Channel
from tollway.kit.http1.tunnel import proxy_of
from tollway.kit.sendable import bad_base_url, bad_header, is_sendable
from tollway.stated.advanced import RouteRow, checked_routes
from tollway.stated.headers import checked_headers
from tollway.stated.mapping import checked_mapping
from tollway.stated.overrides import checked_override
from tollway.stated.status import checked_statuses
from tollway.stated.wrong import Wrong

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
INHERITED = (
    *("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s"),
    *("drain_s", "drain_tokens"),
)
"""What a channel takes from `[upstream]` unless it states its own."""
UNSENDABLE = "the key holds characters that no header can carry"
AUTO = "auto"
"""A key of this group walks through the groups its owner may use; no channel and no ratio can be called so."""
MOST_FACTOR = 1000
_GROUP = re.compile(r"[\w.:-]{1,64}")
_AS_STATED = (
    *("key_choice", "enabled", "tag", "remark", "priority", "weight", "price_factor", "auto_disable", "test_model"),
    *("rpm", "tpm", "parallel", "key_rpm", "key_tpm", "key_parallel", "on_disconnect"),
    *("proxy", "system_prompt", "system_prompt_override", "force_format", "thinking_to_content", "content_to_thinking"),
)


class ChannelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[channels]]` row, or a channel of the database."""

    id: str
    provider: str
    base_url: str = ""
    key: str = ""
    key_env: str = ""
    """Variable that holds the key; better than the key itself in a file."""
    keys: tuple[str, ...] = ()
    keys_env: str = ""
    """Variable that holds several keys, one a line or with commas between."""
    key_choice: Literal["random", "round_robin", "affinity"] = "random"
    """Which of several keys comes first; `affinity`: a caller keeps his key, and the provider's cache stays warm."""
    enabled: bool = True
    tag: str = ""
    remark: str = ""
    groups: tuple[str, ...] = ()
    """The groups of callers it serves; left out: all."""
    priority: int = 0
    weight: Count = 1
    """Its share of the calls among channels of one priority; 0: only when the others of that priority failed."""
    price_factor: Decimal = Decimal(1)
    """What its provider takes, beside the list price: `cheapest` goes by it, what callers pay does not."""
    models: dict[str, str] | list[str] | None = None
    """Model id to upstream name, or a plain list of ids; left out: all that the provider serves."""
    model_mapping: dict[str, str] = {}
    """Names said upstream instead of others; followed to the end."""
    headers: dict[str, str] = {}
    header_override: dict[str, str] = {}
    """Headers with placeholders, and patterns that let callers' headers pass."""
    param_override: dict[str, Any] = {}
    """Fields set in every body, or `operations`."""
    status_code_mapping: dict[str, int | str] = {}
    """An upstream's status to the one it is taken for."""
    proxy: str = ""
    """`http://`, `socks5://` or `socks5h://[user:password@]host[:port]`: the channel is reached through it."""
    advanced_routes: tuple[RouteRow, ...] = ()
    """Of the provider `advanced_custom`: paths of ours, and what is asked for them."""
    system_prompt: str = ""
    """Said to the model first where a request has no system prompt."""
    system_prompt_override: bool = False
    """The channel's system prompt is said also where the request has one, before that."""
    force_format: bool = False
    """Answers are told anew in the caller's format also where the provider speaks it."""
    thinking_to_content: bool = False
    """Thoughts are told as words of the answer, between `<think>` and `</think>`."""
    content_to_thinking: bool = False
    """Words between these marks at the beginning of an answer are told as thoughts."""
    pass_through: bool = False
    """Bodies of the provider's own dialect go on as they came: no overrides, nothing stripped."""
    allow: tuple[str, ...] = ()
    """Fields that are not taken out of bodies, though they change what a provider charges or learns of a caller."""
    disable_store: bool = False
    """Takes `store` out of bodies."""
    rpm: AtLeastOne | None = None
    tpm: AtLeastOne | None = None
    parallel: AtLeastOne | None = None
    key_rpm: AtLeastOne | None = None
    key_tpm: AtLeastOne | None = None
    key_parallel: AtLeastOne | None = None
    auto_disable: bool = True
    """A refused key is taken out of service until a probe passes; False: it rests as after any other failure."""
    test_model: str = ""
    connect_timeout_s: Positive | None = None
    first_byte_timeout_s: Positive | None = None
    idle_timeout_s: Positive | None = None
    total_timeout_s: Positive | None = None
    on_disconnect: Literal["provider", "cancel", "drain"] = "provider"
    """A caller left in mid-answer: cancel at once, drain (read on for the provider's own count), or what is known to be
    right for the provider."""
    drain_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    drain_tokens: Count | None = None

    def __repr__(self) -> str:
        """Without keys and headers, so that no log can hold them."""
        return f"ChannelRow(id={self.id!r}, provider={self.provider!r})"


def channel_of(row: ChannelRow, keys: Sequence[str], base_url: str, inherited: Mapping[str, Any]) -> Channel:
    """The channel a row states, with the keys and the address found for it, and what it inherits (see INHERITED).

    Raises Wrong naming the field.
    """
    problem = bad_base_url(base_url) if base_url else "this provider has no address of its own: state one"
    if problem:
        raise Wrong(("base_url",), problem)
    for name, value in row.headers.items():
        problem = bad_header(name, value)
        if problem:
            raise Wrong(("headers", name), problem)
    if not 0 < row.price_factor <= MOST_FACTOR:
        raise Wrong(("price_factor",), f"must be above 0 and at most {MOST_FACTOR}")
    if row.proxy:
        try:
            proxy_of(row.proxy)
        except ValueError as error:
            raise Wrong(("proxy",), str(error)) from None
    if row.thinking_to_content and row.content_to_thinking:
        raise Wrong(("content_to_thinking",), "goes against thinking_to_content: state one of the two")
    own = {name: value for name in INHERITED if (value := getattr(row, name)) is not None}
    return Channel(
        id=ChannelId(row.id),
        provider=row.provider,
        base_url=base_url.rstrip("/"),
        keys=checked_keys(keys),
        groups=checked_groups(row.groups),
        models=_models(row),
        advanced_routes=checked_routes(row.advanced_routes, row.provider, row.enabled, bool(row.models)),
        model_mapping=checked_mapping(row.model_mapping),
        headers=tuple((name.lower(), value) for name, value in row.headers.items()),
        header_override=checked_headers(row.header_override),
        param_override=checked_override(row.param_override),
        status_map=checked_statuses(row.status_code_mapping),
        pass_through=row.pass_through,
        strip=_stripped(row),
        own_patience=row.first_byte_timeout_s is not None,
        **{name: getattr(row, name) for name in _AS_STATED},
        **(dict(inherited) | own),
    )


def checked_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """The keys without blanks around them. Raises Wrong when one cannot be sent or comes twice."""
    bare = tuple(key.strip() for key in keys)
    for at, key in enumerate(bare):
        place = ("keys", at) if len(bare) > 1 else ("key",)
        if not is_sendable(key):
            raise Wrong(place, UNSENDABLE)
        if len(bare) > 1 and (not key or key in bare[:at]):
            raise Wrong(place, "this key stands here twice" if key else "is empty")
    return bare if any(bare) else ()


def checked_groups(groups: Sequence[str]) -> tuple[str, ...]:
    """Names of groups. Raises Wrong."""
    for at, group in enumerate(groups):
        problem = bad_group(group)
        if problem:
            raise Wrong(("groups", at), problem)
    return tuple(dict.fromkeys(groups))


def bad_group(group: str) -> str:
    """Why a group cannot be called so; empty when it can."""
    if group == AUTO:
        return "'auto' is no group: it stands for all that a caller may use"
    return "" if _GROUP.fullmatch(group) else "the name of a group is letters, digits, '.', ':', '_' and '-'"


def _models(row: ChannelRow) -> dict[str, str] | None:
    models = {name: name for name in row.models} if isinstance(row.models, list) else row.models
    if models and not all(name and is_sendable(name) for name in models.values()):
        raise Wrong(("models",), "an upstream's name must be printable ASCII")
    return models


def _stripped(row: ChannelRow) -> frozenset[str]:
    for at, name in enumerate(row.allow):
        if name not in STRIPPED:
            raise Wrong(("allow", at), f"{name!r} is none of {', '.join(sorted(STRIPPED))}")
    allowed = set(row.allow) | ({"serviceTier"} if "service_tier" in row.allow else set())
    return STRIPPED - allowed | ({"store"} if row.disable_store else set())
