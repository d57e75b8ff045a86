"""The tests' own PostgreSQL does what the tests of faults rely on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.postgres import Postgres

STARTER = """
import sys, time
from tests.postgres import Postgres
own = Postgres().start()
print(own.folder, own.pid, flush=True)
time.sleep(60)
"""


def test_what_was_committed_survives_a_kill(own_postgres: Postgres) -> None:
    own_postgres.run("CREATE TABLE kept (n int)")
    own_postgres.run("INSERT INTO kept VALUES (7)")
    own_postgres.kill()
    assert not own_postgres.answers()
    assert own_postgres.start().run("SELECT n FROM kept") == [(7,)]


def test_each_fresh_database_is_empty_and_has_the_schema(postgres: Postgres) -> None:
    one, other = postgres.fresh(), postgres.fresh()
    assert one != other
    for url in (one, other):
        name = url.partition("?")[0].rpartition("/")[2]
        assert postgres.run("SELECT count(*) FROM users", name) == [(0,)]
        postgres.drop(url)


def test_a_killed_test_run_leaves_no_server_behind() -> None:
    run = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    folder, pid = run.stdout.readline().split()
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}/exe").exists()
    subprocess.run(["rm", "-r", folder], check=True)
