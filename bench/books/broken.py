"""Deliberately broken builds: a copy of the product with one textual change, which the bench must catch."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import tollway


class Change(NamedTuple):
    """What is broken, and where."""

    file: str
    good: str
    bad: str
    meaning: str


LEDGER = "gateway/ledger"
CHANGES: dict[str, Change] = {
    "no-replay": Change(
        f"{LEDGER}/recovery.py",
        "    for dead in dead_journals(folder):\n",
        "    for dead in list(dead_journals(folder))[:0]:\n",
        "a start does not replay the journals of dead processes",
    ),
    "no-sweeper": Change(
        f"{LEDGER}/store/sweeps.py",
        "SELECT owner, id, fence FROM leases WHERE expires_at < :now AND process <> :process",
        "SELECT owner, id, fence FROM leases WHERE expires_at < :now AND process <> :process AND 1 = 0",
        "leases that nobody renews are never returned",
    ),
    "no-fence": Change(
        f"{LEDGER}/store/calls.py",
        "    if not _consume(tx, spent):\n        raise Doubt\n    return {owner for",
        "    _consume(tx, spent)\n    return {owner for",
        "a settlement does not care whether its lease, under its fence, is still there",
    ),
}


@contextmanager
def broken_build(name: str) -> Iterator[Path]:
    """A source folder with the change made. Raises ValueError unless its text stands there exactly once."""
    change = CHANGES[name]
    with TemporaryDirectory(prefix=f"tollway-{name}-") as folder:
        source = Path(folder) / "src"
        shutil.copytree(Path(tollway.__file__).parent, source / "tollway", ignore=shutil.ignore_patterns("__pycache__"))
        file = source / "tollway" / change.file
        text = file.read_text(encoding="utf-8")
        if text.count(change.good) != 1:
            raise ValueError(f"{name}: the text to break stands {text.count(change.good)} times in {change.file}")
        file.write_text(text.replace(change.good, change.bad), encoding="utf-8")
        yield source


def path_with(source: Path) -> str:
    """PYTHONPATH under which the broken build is the one that is imported."""
    return ":".join([str(source), *(entry or "." for entry in sys.path)])
