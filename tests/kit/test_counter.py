"""A counter that processes share."""

import stat
import subprocess
import sys
from pathlib import Path

from tollway.kit.counter import SharedCounter

BUMP = """
import pathlib, sys
from tollway.kit.counter import SharedCounter
counter = SharedCounter(pathlib.Path(sys.argv[1]))
for _ in range(500):
    counter.bump()
"""


def test_it_begins_at_zero_keeps_its_number_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "epoch"
    counter = SharedCounter(file)
    assert counter.read() == 0
    assert counter.bump() == 1
    counter.close()
    assert SharedCounter(file).read() == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_bumps_of_many_processes_at_once_are_all_counted_and_seen(tmp_path: Path) -> None:
    counter = SharedCounter(tmp_path / "epoch")
    bumping = [subprocess.Popen([sys.executable, "-c", BUMP, str(tmp_path / "epoch")]) for _ in range(3)]
    for process in bumping:
        assert process.wait() == 0
    assert counter.read() == 1500
