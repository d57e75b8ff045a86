"""What people write beside a deed is readable on every database, and never empty."""

import pytest

from tollway.core.errors import BadRequest
from tollway.core.remark import remark


def test_a_remark_is_kept_as_it_was_written_but_for_the_space_around_it() -> None:
    assert remark("  two lines,\n\tØre 🌍 ", "reason") == "two lines,\n\tØre 🌍"


@pytest.mark.parametrize("text", ["", "  \n", "x" * 501, "a\0b", "\x1b[2J", "\x7f", "half \ud83c of it", "\udcff"])
def test_what_no_reader_or_database_takes_is_refused_by_field(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        remark(text, "reason")
    assert refused.value.field == "reason"
