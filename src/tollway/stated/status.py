"""Which status an upstream's status is taken for (relay.md 4.5)."""

from collections.abc import Mapping

from tollway.stated.wrong import Wrong


def checked_statuses(stated: Mapping[str, int | str]) -> dict[int, int]:
    """`{"429": 503}` as numbers. Raises Wrong naming the entry."""
    return {_status(was, was): _status(was, taken) for was, taken in stated.items()}


def _status(entry: str, value: int | str) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and 100 <= int(text) <= 599):
        raise Wrong(("status_code_mapping", entry), f"{value!r} is no HTTP status between 100 and 599")
    if int(text) == 200:
        raise Wrong(("status_code_mapping", entry), "200 is an answer: it can neither be mapped nor be mapped to")
    return int(text)
