"""Arguments of a tool call as JSON text."""

import msgspec


def compact(arguments: str) -> str:
    """Arguments as JSON text without blanks; what is not JSON stays as it is, nothing becomes `{}`."""
    if not arguments.strip():
        return "{}"
    try:
        return msgspec.json.format(arguments, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return arguments
