"""What a journal keeps, whatever happened to its writer."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.ledger.books import ANN, bill, nano, new_call
from tollway.core.ids import LeaseId
from tollway.gateway.ledger import journal
from tollway.gateway.ledger.journal import Ended, Held, Journal, Record, dead_journals


def held() -> Held:
    return Held(new_call(), ANN, nano(5), 1.0)


def ended() -> Ended:
    return journal.ended(
        ((ANN, LeaseId("lse_1"), 3), ("key_1/day/2026-11-21", LeaseId("lse_2"), 4)), bill(new_call(), 4)
    )


def found(folder: Path) -> list[list[Record]]:
    records = []
    for dead in dead_journals(folder):
        records.append(dead.records())
        dead.close(remove=False)
    return records


def test_a_living_process_is_never_replayed(tmp_path: Path) -> None:
    alive = Journal(tmp_path)
    alive.append(held())
    assert found(tmp_path) == []
    alive.close(remove=False)
    assert len(found(tmp_path)) == 1


def test_records_come_back_as_they_were_written_over_many_files(
    tmp_path: Path,
) -> None:
    writer = Journal(tmp_path)
    written: list[Record] = [ended() for _ in range(40_000)]
    for record in written:
        writer.append(record)
    assert len(list(tmp_path.glob("*/*.journal"))) > 1
    writer.close(remove=False)
    assert found(tmp_path) == [written]


def test_files_whose_records_are_done_are_used_again_and_forget_their_former_life(tmp_path: Path) -> None:
    writer = Journal(tmp_path)
    for _ in range(120_000):
        writer.done(writer.append(ended()))
    assert len(list(tmp_path.glob("*/*.journal"))) <= 1 + journal.SPARES
    last = held()
    writer.append(last)
    writer.close(remove=False)
    (records,) = found(tmp_path)
    assert records[-1] == last
    assert len(records) < 120_000


def test_a_file_with_a_record_still_needed_is_kept(tmp_path: Path) -> None:
    writer = Journal(tmp_path)
    needed = held()
    first = writer.append(needed)
    for _ in range(60_000):
        writer.done(writer.append(ended()))
    assert first.path.exists()
    writer.close(remove=False)
    assert found(tmp_path)[0][0] == needed


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 700), flip=st.booleans())
def test_a_torn_end_loses_only_the_records_it_tore(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: bool
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    writer = Journal(folder)
    written: list[Record] = [held(), ended(), ended()]
    for record in written:
        last = writer.append(record)
    end = last.at
    writer.close(remove=False)
    whole = last.path.read_bytes()
    place = max(journal.HEAD.size, end - 1 - cut)
    torn = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] if flip else whole[:place]
    last.path.write_bytes(torn)
    (records,) = found(folder)
    assert records == written[: len(records)]
    assert len(records) < len(written)


def test_a_journal_whose_work_is_done_leaves_nothing(tmp_path: Path) -> None:
    writer = Journal(tmp_path)
    writer.append(held())
    writer.close(remove=True)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def no_room_for_another_file() -> Iterator[None]:
    """The system refuses to let files grow, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_refuses_records_keeps_those_it_has_and_is_forgotten_when_there_is_room(tmp_path: Path) -> None:
    writer = Journal(tmp_path)
    kept: list[Record] = []
    with no_room_for_another_file():
        with pytest.raises(OSError):
            for _ in range(40_000):
                record = ended()
                writer.append(record)
                kept.append(record)
        for _ in range(3):
            with pytest.raises(OSError):
                writer.append(ended())
        assert len(list(tmp_path.glob("*/*.journal"))) == 1, "a refused file is left behind"
    last = ended()
    writer.append(last)
    writer.close(remove=False)
    assert found(tmp_path) == [[*kept, last]]
