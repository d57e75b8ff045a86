"""Tools grouped in a namespace: one flat name for models that know no groups, name and group apart for the caller."""

from collections.abc import Mapping
from typing import Any

import msgspec

NAMESPACE = "namespace"
_MARK = b'"namespace"'
Fields = dict[str, Any]


class _Member(msgspec.Struct, gc=False):
    name: str = ""


class _Group(msgspec.Struct, gc=False):
    type: str = ""
    name: str = ""
    tools: list[_Member] = []


_groups = msgspec.json.Decoder(list[_Group]).decode


def flat(namespace: Any, name: str) -> str:
    """The name under which a model knows a tool of this namespace (a string), or of none."""
    return f"{namespace}__{name}" if isinstance(namespace, str) and namespace else name


class Namespaces:
    """The groups of one request's tools."""

    def __init__(self, tools: msgspec.Raw) -> None:
        """`tools`: as the request has them; what makes no sense there was refused before."""
        self._members: Mapping[str, Fields] = _members(tools) if _MARK in bytes(tools) else {}

    def named(self, name: str) -> Fields:
        """What a call says of the tool with this flat name."""
        return self._members.get(name) or {"name": name}


def _members(tools: msgspec.Raw) -> Mapping[str, Fields]:
    try:
        groups = [group for group in _groups(tools) if group.type == NAMESPACE]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {
        flat(group.name, tool.name): {"name": tool.name, NAMESPACE: group.name}
        for group in groups
        for tool in group.tools
    }
