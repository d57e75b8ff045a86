"""Pictures count as the vendors bill them: the test vectors of relay.md 7.3."""

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.metering.images import image_tokens, image_worst
from tollway.gateway.metering.picture import dimensions, window

SIZES = ((128, 64), (512, 512), (1024, 1024), (1920, 1080), (2048, 4096), (1800, 2400))
VECTORS = {
    "gpt-4o": (255, 255, 765, 1105, 1105, 765),
    "gpt-4.1": (255, 255, 765, 1105, 1105, 765),
    "gpt-5": (210, 210, 630, 910, 910, 630),
    "gpt-5-chat-latest": (210, 210, 630, 910, 910, 630),
    "o1": (225, 225, 675, 975, 975, 675),
    "o3": (225, 225, 675, 975, 975, 675),
    "gpt-4o-mini": (8500, 8500, 25501, 36835, 36835, 25501),
    "gpt-4.1-mini": (13, 415, 1659, 2443, None, 2352),
    "gpt-5-mini-2025-08-07": (13, 415, 1659, 2443, None, 2352),
    "gpt-5-nano": (20, 630, 2519, 3710, None, 3572),
    "o4-mini": (14, 440, 1761, 2594, None, 2497),
}
NAMES = (
    *VECTORS,
    "gpt-5.2",
    "claude-haiku-4-5",
    "claude-opus-4-7",
    "gemini-2.5-flash",
    "gemini-3-flash",
    "qwen3-vl",
    "x",
)
sides = st.integers(1, 20_000)


@pytest.mark.parametrize("model", VECTORS)
@pytest.mark.parametrize("at", range(len(SIZES)))
def test_openai_tiles_and_patches(model, at):
    if VECTORS[model][at] is not None:
        assert image_tokens((model, "openai"), SIZES[at]) == VECTORS[model][at]


def test_low_detail_is_the_base_alone():
    assert image_tokens(("gpt-4o", "openai"), (4000, 4000), "low") == 85


@pytest.mark.parametrize(
    ("size", "detail", "tokens"),
    [
        ((1024, 1024), None, 1229),
        ((1920, 1080), "auto", 2448),
        ((4032, 3024), None, 11868),
        ((4032, 3024), "high", 2941),
    ],
)
def test_newer_gpt_models_count_patches_within_a_budget(size, detail, tokens):
    assert image_tokens(("openai/gpt-5.2", "openai"), size, detail) == tokens


def test_the_worst_case_of_a_wide_picture_is_the_whole_budget():
    assert image_tokens(("gpt-4.1-mini", "openai"), (4000, 1474)) == 2347
    assert image_tokens(("gpt-4.1-mini", "openai"), (4000, 1474), worst=True) >= 2488


@pytest.mark.parametrize(
    ("size", "tokens"), [((256, 256), 100), ((512, 512), 361), ((1024, 1024), 1369), ((1280, 720), 1196)]
)
def test_claude_counts_squares_of_28_pixels(size, tokens):
    assert image_tokens(("claude-haiku-4-5", "anthropic"), size) == tokens


def test_newer_claude_models_see_larger_pictures():
    assert image_tokens(("claude-sonnet-4-6", "anthropic"), (2576, 2576)) == 1600
    assert image_tokens(("claude-opus-4-7", "anthropic"), (2576, 2576)) == 4784


def test_gemini_counts_tiles_and_since_3_a_flat_number():
    assert image_tokens(("gemini-2.5-flash", "gemini"), (384, 384)) == 258
    assert image_tokens(("gemini-2.5-flash", "gemini"), (1024, 1024)) == 1032
    assert image_tokens(("gemini-3-flash-preview", "gemini"), (1024, 1024)) == 1101


@given(st.sampled_from(NAMES), sides, sides, st.sampled_from([None, "low", "high", "auto"]))
def test_no_picture_counts_more_than_its_worst_case(name, width, height, detail):
    family = "anthropic" if "claude" in name else "gemini" if "gemini" in name else "openai"
    usual = image_tokens((name, family), (width, height), detail)
    assert 0 < usual <= image_tokens((name, family), (width, height), detail, worst=True)
    if "gemini-2" not in name:
        assert usual <= image_worst(name, family, detail)


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0" * 50


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0" * 20


def jpeg(width: int, height: int, before: int = 0) -> bytes:
    profile = b"\xff\xe1" + struct.pack(">H", 60_002) + b"\xff\xc0" * 30_000
    return (
        b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"\0" * 14 + profile * before + b"\xff\xff\xc2"
        + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\0" * 40
    )  # fmt: skip


def webp(kind: bytes, width: int, height: int) -> bytes:
    bodies = {
        b"VP8X": b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
        b"VP8L": b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + b"\0" * 9,
        b"VP8 ": b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height),
    }
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + bodies[kind]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@given(st.integers(1, 16_383), st.integers(1, 16_383))
def test_the_size_stands_in_the_head(width, height):
    made = [png(width, height), gif(width, height), jpeg(width, height)]
    made += [webp(kind, width, height) for kind in (b"VP8X", b"VP8L", b"VP8 ")]
    assert [dimensions(encoded(data)) for data in made] == [(width, height)] * 6


def test_a_photograph_may_carry_profiles_before_its_size():
    assert dimensions(encoded(jpeg(640, 480, before=5))) == (640, 480)


@given(st.binary(max_size=60) | st.sampled_from([png(3, 4), jpeg(3, 4), webp(b"VP8X", 3, 4)]), st.integers(0, 60))
def test_what_is_cut_short_or_no_picture_has_no_size_and_does_no_harm(data, length):
    size = dimensions(encoded(data[:length]))
    assert size is None or min(size) > 0


@pytest.mark.parametrize("text", ["", "!", "no base64 at all", "\u20ac\u20ac\u20ac\u20ac", encoded(png(0, 5))])
def test_garbage_has_no_size(text):
    assert dimensions(text) is None


@given(st.binary(max_size=200), st.integers(0, 210), st.integers(0, 50))
def test_a_window_shows_the_same_bytes_as_decoding_everything(data, start, length):
    assert window(encoded(data), start, length) == data[start : start + length]
