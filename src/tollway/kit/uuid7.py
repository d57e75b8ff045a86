"""UUID version 7: unique, and sorted by the time it was made (RFC 9562, section 5.7)."""

import random
import time
import uuid


def uuid7() -> str:
    """A new UUIDv7 in its usual 36-character form."""
    ms, noise = time.time_ns() // 1_000_000, random.getrandbits(74)
    high, low = noise >> 62, noise & 0x3FFF_FFFF_FFFF_FFFF
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{high:03x}-{0x8000 | low >> 48:04x}-{low & 0xFFFF_FFFF_FFFF:012x}"


def made_at_ms(text: str) -> int:
    """Unix milliseconds at which a UUIDv7 was made."""
    return uuid.UUID(text).int >> 80
