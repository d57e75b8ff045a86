"""The bench of the books in its short form: exact under torment, and it catches builds that are broken on purpose."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.books.broken import CHANGES, broken_build
from bench.books.torment import Dose, schedule

import tollway
from tests.postgres import NOT_HERE, installed

ROOT = Path(__file__).parents[2]
SEED = "20261121"
WITHIN_S = 300


def torment(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the bench; what it printed."""
    if "postgresql" in words and installed() is None:
        pytest.skip(NOT_HERE)
    path = f"{Path(tollway.__file__).parent.parent}:{ROOT}"
    return subprocess.run(
        [sys.executable, "-m", "bench.books", "--short", "--seed", SEED, *words],
        capture_output=True, text=True, timeout=WITHIN_S, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_no_nano_dollar_is_unexplained_on_sqlite_with_one_process() -> None:
    done = torment("--database", "sqlite")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the books are exact" in done.stdout


def test_no_nano_dollar_is_unexplained_on_postgresql_with_three_processes() -> None:
    done = torment("--database", "postgresql", "--processes", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the books are exact" in done.stdout


@pytest.mark.parametrize(
    ("broken", "how", "symptom"),
    [
        ("no-replay", "--database sqlite --calls 240 --dose kill=3", "there is no receipt"),
        ("no-sweeper", "--database sqlite --calls 240 --dose lose=1", "were never returned"),
        ("no-fence", "--database postgresql --calls 400 --dose stop=3 --at-once 9", "reserved"),
    ],
)
def test_a_build_that_is_broken_on_purpose_is_caught(broken: str, how: str, symptom: str) -> None:
    done = torment("--break", broken, *how.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert "DIFFERENCE" in done.stdout
    assert symptom in done.stdout


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_what_a_broken_build_changes_stands_in_the_source_exactly_once(name: str) -> None:
    with broken_build(name) as source:
        changed = (source / "tollway" / CHANGES[name].file).read_text(encoding="utf-8")
    assert changed.count(CHANGES[name].bad or CHANGES[name].good) == (1 if CHANGES[name].bad else 0)


def test_a_seed_makes_the_same_schedule_again() -> None:
    dose = Dose(kill=30, stop=10, lose=3, end=2, database=5)
    once, again = (schedule(7, 20_000, dose, 3, 3.0) for _ in range(2))
    assert once == again
    assert len(once) == sum(dose)
    assert schedule(8, 20_000, dose, 3, 3.0) != once
