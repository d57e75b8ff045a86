"""What an examination found: the doctor's word."""

import enum

import msgspec


class Level(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as someone may expect."""
    ERROR = "error"
    """Something that was asked for does not work."""


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at."""

    level: Level
    what: str
    """What was looked at: `channel openai`, `model gpt-5.2`, `database`."""
    message: str
    where: str = ""
    """`file:line: field`, or the environment variable; empty when it stands nowhere."""
    remedy: str = ""
    """What to do about it."""
