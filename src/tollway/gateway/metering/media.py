"""Tokens of pictures, sounds, films and documents inside a question."""

import math
import re
from fnmatch import fnmatchcase

from tollway.core.media import Media, MediaKind
from tollway.core.model import Model
from tollway.gateway.metering.images import image_tokens, image_worst
from tollway.gateway.metering.picture import dimensions, window

AUDIO_PER_S = {"gemini": 32, "openai": 10}
"""Tokens of one second of sound; 32 for families not named."""
VIDEO_PER_S = 263
PAGE_TEXT = 2000
"""Words on one page of a PDF, in tokens: the middle of the vendors' own 1,500 to 3,000."""
PAGE_IMAGE = {"gemini": 258, "openai": 765, "anthropic": 1600}
PAGES_UNKNOWN = 20
"""Pages assumed of a document that is only named by a URL or a file id."""
PAGES_MOST = 1000
SECONDS_UNKNOWN = 60
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PAGE_COUNT = re.compile(rb"/Count\s+(\d{1,6})")
_BYTES_PER_PAGE = 50_000
_BYTES_PER_S = (
    ("*wav*", 16_000),
    ("*pcm*", 48_000),
    ("*flac*", 16_000),
    ("*mpeg*", 4_000),
    ("*mp3*", 4_000),
    ("*mp4*", 4_000),
    ("*m4a*", 4_000),
    ("*aac*", 4_000),
    ("*ogg*", 3_000),
    ("*opus*", 3_000),
    ("*webm*", 3_000),
    ("video/*", 60_000),
)
"""Bytes of one second in the thriftiest common coding of each format: a length told by the file never exceeds what
its bytes can hold."""


def media_tokens(media: Media, model: Model, worst: bool = False) -> int:
    """Tokens `model` takes for `media`; with `worst`, the most it may take where bills were seen above the formula."""
    if media.kind is MediaKind.IMAGE:
        return _image(media, model, worst)
    if media.kind is MediaKind.AUDIO:
        return math.ceil(_seconds(media) * AUDIO_PER_S.get(model.family, 32))
    if media.kind is MediaKind.VIDEO:
        return math.ceil(_seconds(media) * VIDEO_PER_S)
    return _pages(media) * _page_tokens(model)


def _image(media: Media, model: Model, worst: bool) -> int:
    size = dimensions(media.data) if media.data else None
    upstream = next(iter(model.served_by.values()), model.id)
    if size is None:
        return image_worst(upstream, model.family, media.detail)
    return image_tokens((upstream, model.family), size, media.detail, worst)


def _page_tokens(model: Model) -> int:
    image = PAGE_IMAGE.get(model.family, 1024)
    return image if model.family == "gemini" else image + PAGE_TEXT


def _pages(media: Media) -> int:
    """Pages of a PDF, counted in its bytes; a file that packs its page list away is judged by its size."""
    if not media.data:
        return PAGES_UNKNOWN
    data = window(media.data, 0, len(media.data))
    stated = max((int(count) for count in _PAGE_COUNT.findall(data)), default=0)
    found = max(stated, len(_PAGE.findall(data)))
    return min(PAGES_MOST, max(1, found or math.ceil(len(data) / _BYTES_PER_PAGE)))


def _seconds(media: Media) -> float:
    """Length of a sound or film, never more than its bytes can hold."""
    if not media.data:
        return SECONDS_UNKNOWN
    size = len(media.data) * 3 // 4
    mime = (media.mime or "").lower()
    slowest = next((rate for pattern, rate in _BYTES_PER_S if fnmatchcase(mime, pattern)), 3_000)
    head = window(media.data, 0, 48)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        told = int.from_bytes(head[28:32], "little")
        return size / max(told, 1_000)
    return size / slowest
