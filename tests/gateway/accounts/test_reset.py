"""When a limited account comes back: what vendors say in their heads."""

from datetime import UTC, datetime

import pytest

from tollway.gateway.accounts.reset import LONGEST_S, wait_s

NOW = 1_800_000_000.0


def iso(in_s: float) -> bytes:
    return datetime.fromtimestamp(NOW + in_s, UTC).isoformat().replace("+00:00", "Z").encode()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7),
        ({b"anthropic-ratelimit-unified-reset": b"%d" % (NOW + 90)}, 90),
        ({b"anthropic-ratelimit-unified-reset": b"%d" % ((NOW + 90) * 1000)}, 90),
        ({b"anthropic-ratelimit-requests-reset": iso(45)}, 45),
        ({b"x-ratelimit-reset-requests": b"6m0s"}, 360),
        ({b"x-ratelimit-reset-tokens": b"1m30.5s"}, 90.5),
        ({b"x-codex-primary-reset-after-seconds": b"600"}, 600),
        ({b"ratelimit-reset": b"30"}, 30),
        ({b"anthropic-ratelimit-unified-reset": b"%d" % (NOW + 90), b"retry-after": b"7"}, 90),
        ({b"anthropic-ratelimit-unified-reset": b"%d" % (NOW - 90), b"retry-after": b"7"}, 7),
        ({b"anthropic-ratelimit-unified-reset": b"soon", b"retry-after": b"7"}, 7),
        ({b"retry-after": b"0"}, 1),
        ({b"x-ratelimit-reset": b"nan"}, None),
        ({b"x-ratelimit-reset": b"-5"}, None),
        ({b"ratelimit-reset": b"900000000"}, LONGEST_S),
        ({b"x-preset": b"30"}, None),
    ],
)
def test_a_reset_header_comes_first_then_retry_after(headers: dict[bytes, bytes], wait: float | None) -> None:
    assert wait_s(headers, NOW) == wait


def test_of_several_limits_the_one_that_is_used_up_decides() -> None:
    assert (
        wait_s(
            {
                b"anthropic-ratelimit-requests-remaining": b"12",
                b"anthropic-ratelimit-requests-reset": iso(5),
                b"anthropic-ratelimit-tokens-remaining": b"0",
                b"anthropic-ratelimit-tokens-reset": iso(50),
            },
            NOW,
        )
        == 50
    )
    assert (
        wait_s(
            {
                b"x-codex-primary-used-percent": b"100.0",
                b"x-codex-primary-reset-after-seconds": b"600",
                b"x-codex-secondary-used-percent": b"20",
                b"x-codex-secondary-reset-after-seconds": b"500000",
            },
            NOW,
        )
        == 600
    )


def test_where_nobody_says_which_limit_is_used_up_the_soonest_reset_is_believed() -> None:
    assert wait_s({b"x-ratelimit-reset-requests": b"10s", b"x-ratelimit-reset-tokens": b"50s"}, NOW) == 10
