"""What people write beside a deed that is kept for good: why they did it, and in whose name."""

from tollway.core.errors import BadRequest

MOST = 500
MOST_NAME = 200
_LINES = "\t\n\r"


def remark(text: str, field: str, most: int = MOST) -> str:
    """The text, trimmed. Raises BadRequest naming `field` when it is empty, too long, or has a character that not
    every database keeps or nobody can read."""
    trimmed = text.strip()
    if not 0 < len(trimmed) <= most:
        raise BadRequest(f"{field} must be 1 to {most} characters", field=field)
    if not all(letter >= " " or letter in _LINES for letter in trimmed) or not _is_unicode(trimmed):
        raise BadRequest(f"{field} must be readable text", field=field)
    return trimmed


def _is_unicode(text: str) -> bool:
    """Half a character, as from a terminal that speaks another encoding, is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x7f" not in text
