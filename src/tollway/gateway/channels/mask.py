"""Shows enough of a key to recognise it, too little to use it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

_MASKED = re.compile(r".{3}\.\.\..{4}", re.DOTALL)


def mask(key: str) -> str:
    """The first three and last four characters of a long key, nothing of a short one."""
    return f"{key[:3]}...{key[-4:]}" if len(key) >= 16 else "***" if key else ""


def is_masked(key: str) -> bool:
    """Whether this is what is shown of a key, as an editor may send it back."""
    return key == "***" or _MASKED.fullmatch(key) is not None


def bare_url(url: str) -> str:
    """The URL without user, password, query or fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def tails_of(keys: Iterable[str], headers: Sequence[Mapping[str, Any]], proxy: str = "") -> dict[str, list[str]]:
    """What may be shown of a channel's secrets: masked keys, the names of its headers and header overrides, and where
    its proxy is."""
    plain, overrides = headers
    return {
        "proxy": [bare_url(proxy)] if proxy else [],
        "keys": [mask(key) for key in keys],
        "headers": [name.lower() for name in plain],
        "header_override": list(overrides),
    }
