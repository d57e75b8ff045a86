"""Reads a picture's width and height from the head of its base64 text, without decoding the rest."""

import binascii

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that open a frame and state its size."""
_BARE = frozenset(range(0xD0, 0xD9)) | {0x01}
"""Markers that have no length."""
_SEGMENTS = 400
"""JPEG segments looked at before giving up."""


def window(data: str, start: int, length: int) -> bytes:
    """Bytes `start` to `start + length` of what base64 `data` encodes; fewer at its end, none if it is not base64."""
    first = start // 3 * 4
    last = -(-(start + length) // 3) * 4
    piece = data[first:last]
    try:
        decoded = binascii.a2b_base64(piece + "=" * (-len(piece) % 4))
    except (binascii.Error, ValueError):
        return b""
    return decoded[start - first // 4 * 3 :][:length]


def dimensions(data: str) -> tuple[int, int] | None:
    """(width, height) in pixels of a PNG, JPEG, GIF or WebP; None when the head does not say."""
    head = window(data, 0, 30)
    size: tuple[int, int] | None = None
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    elif head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        size = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        size = _webp(head)
    elif head[:2] == b"\xff\xd8":
        size = _jpeg(data)
    return size if size and size[0] > 0 and size[1] > 0 else None


def _webp(head: bytes) -> tuple[int, int] | None:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


def _jpeg(data: str) -> tuple[int, int] | None:
    """Hop from segment to segment (thumbnails and profiles may come first) to the frame header."""
    at = 2
    for _ in range(_SEGMENTS):
        segment = window(data, at, 9)
        if len(segment) < 4 or segment[0] != 0xFF:
            return None
        marker = segment[1]
        if marker in _BARE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
        elif marker in _FRAMES and len(segment) == 9:
            return int.from_bytes(segment[7:9], "big"), int.from_bytes(segment[5:7], "big")
        else:
            at += 2 + int.from_bytes(segment[2:4], "big")
    return None
