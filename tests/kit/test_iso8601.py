"""Points in time as clients read them."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from tollway.kit.iso8601 import iso


def test_time_is_utc_to_the_millisecond() -> None:
    assert iso(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"
    assert iso(None) is None


@given(st.floats(0, 4_000_000_000))
def test_what_is_written_can_be_read(at_s: float) -> None:
    assert abs(datetime.fromisoformat(iso(at_s)).timestamp() - at_s) < 0.002
