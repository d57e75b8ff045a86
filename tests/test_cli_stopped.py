"""Ctrl-C in the middle of an import: nothing is taken over by halves, and it may be repeated."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.test_cli import OK, Shell

STOPPED = 130
DEADLINE_S = 60.0


def importing(folder: Path, file: Path) -> subprocess.Popen[str]:
    """An import under way, in a process that hears Ctrl-C."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLLWAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "tollway", "--data-dir", str(folder), "import", "litellm", str(file)],
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def has_open(process: "subprocess.Popen[str]", name: str) -> bool:
    """Whether the process has a file of this name open."""
    try:
        return name in {link.readlink().name for link in Path(f"/proc/{process.pid}/fd").iterdir()}
    except OSError:  # one was closed in the meantime
        return False


def stopped(process: "subprocess.Popen[str]") -> str:
    """What it says when it is stopped now."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == STOPPED, said
    assert "Traceback" not in said
    return said


def config(channels: int) -> str:
    entry = (
        "  - {{model_name: gpt-5-mini, litellm_params: {{model: gpt-x, api_key: sk-secret-{0:04d}-0123, rpm: 5}}}}\n"
    )
    return "model_list:\n" + "".join(map(entry.format, range(channels)))


def test_an_import_is_stopped_while_it_reads(tmp_path: Path) -> None:
    shell, pipe = Shell(tmp_path / "data"), tmp_path / "config.yaml"
    assert shell("users", "create", "ada@example.com").exit_code == OK
    os.mkfifo(pipe)
    process = importing(shell.folder, pipe)
    with pipe.open("w"):  # opens when the process reads
        assert "stopped" in stopped(process)
    assert [row for row in shell.json("channels", "list") if row["source"] == "stored"] == []


def test_an_import_is_stopped_while_it_waits_for_the_database_and_may_be_repeated(tmp_path: Path) -> None:
    shell, file = Shell(tmp_path / "data"), tmp_path / "config.yaml"
    assert shell("users", "create", "ada@example.com").exit_code == OK
    file.write_text(config(20))
    with closing(sqlite3.connect(shell.folder / "tollway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        process = importing(shell.folder, file)
        deadline = time.monotonic() + DEADLINE_S
        while not has_open(process, "tollway.db") and time.monotonic() < deadline:
            time.sleep(0.01)
        stopped(process)
        assert other.execute("SELECT count(*) FROM channels").fetchone() == (0,)
        other.execute("ROLLBACK")
    for outcome in ("made", "left out: there is a channel of this id"):
        told = shell.json("import", "litellm", str(file))
        assert {row["outcome"] for row in told["channels"]} == {outcome} and len(told["channels"]) == 20
    assert "sk-secret" not in (shell.folder / "tollway.db").read_bytes().decode("latin-1")
