"""UUID version 7: unique, and sorted by the time it was made (RFC 9562, section 5.7)."""

import random
import time
import uuid


def uuid7() -> str:
    """A new UUIDv7 in its usual 36-character form."""
    value = (time.time_ns() // 1_000_000) << 80 | random.getrandbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def made_at_ms(text: str) -> int:
    """Unix milliseconds at which a UUIDv7 was made."""
    return uuid.UUID(text).int >> 80
