"""The bench of history in small: nothing a call waits for reads what grows, and old months go without a trace.

How long everything takes is for `python -m bench.history` to say, on a machine that does nothing else.
"""

from pathlib import Path

import pytest
from bench.history.reads import growing, tables_read
from bench.history.run import run


def test_what_reads_a_table_that_grows_is_noticed() -> None:
    reading = [
        "SELECT body FROM receipts_202611 WHERE call_id = 'x'",
        "WITH r AS (SELECT 1 FROM accounts a JOIN postings p ON 1 = 1) SELECT 1 FROM r",
        "UPDATE usage_daily SET requests = 1",
        "INSERT INTO meta SELECT name FROM entries",
    ]
    harmless = [
        "INSERT INTO receipts_202611 (call_id) VALUES ('x') ON CONFLICT DO NOTHING",
        "INSERT INTO usage_daily VALUES (1) ON CONFLICT (day) DO UPDATE SET requests = excluded.requests",
        "SELECT reserved FROM purses WHERE owner = 'x'",
        "BEGIN IMMEDIATE",
    ]
    assert growing(reading + harmless) == reading
    assert tables_read("SELECT 1 FROM a JOIN b ON 1 = 1") == {"a", "b"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_calls_read_nothing_that_grows_and_dropped_months_leave_exact_books(kind: str, tmp_path: Path) -> None:
    found = run(kind, calls=2_000, clients=12, folder=tmp_path)
    assert found.wrong == []
    assert found.lines
