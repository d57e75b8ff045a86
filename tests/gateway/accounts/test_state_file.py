"""The state file: whole whenever we are killed, private, one writer at a time, and recovered when it is torn."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.pipeline.effort import effort
from tollway.core.errors import Unavailable
from tollway.gateway.accounts.account import Account, State, replace
from tollway.gateway.accounts.document import Document, Torn
from tollway.gateway.accounts.state_file import Accounts, StateFile

ROW = {"id": "ann", "access_token": "at-secret", "refresh_token": "rt-secret", "expires_at": 4_000_000_000_000}


def kept(path: Path, *rows: dict[str, Any], version: int | None = 2) -> StateFile:
    """A state file with these rows."""
    said = {"accounts": list(rows)} | ({} if version is None else {"version": version})
    path.write_text(json.dumps(said))
    return StateFile(path)


def renamed(label: str) -> Any:
    """Work that gives every account this label."""

    def work(accounts: Accounts) -> Accounts:
        return {name: replace(one, label=label) for name, one in accounts.items()}

    return work


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pool_accounts.json"


def test_there_need_be_no_file(path: Path) -> None:
    assert StateFile(path).load()[0] == {}


def test_what_is_written_is_read_and_is_private_with_its_backup(path: Path) -> None:
    file = StateFile(path)
    ann = Account(id="ann", access_token="at", refresh_token="rt", expires_at=4_000_000_000_000)
    file.change(lambda accounts: {**accounts, "ann": ann})
    assert StateFile(path).load()[0] == {"ann": ann}
    for each in (path, file.backup):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert json.loads(each.read_bytes())["version"] == 2
    assert not list(path.parent.glob(".*.draft"))


def test_a_file_that_others_could_read_is_private_after_the_first_change(path: Path) -> None:
    file = kept(path, ROW)
    path.chmod(0o644)
    file.change(renamed("x"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_version_1_becomes_version_2(path: Path) -> None:
    on, off = {**ROW, "enabled": True, "tier": "max"}, {**ROW, "id": "bob", "enabled": False, "note": "ours"}
    found, _ = kept(path, on, off, version=None).load()
    assert {name: one.state for name, one in found.items()} == {"ann": State.ACTIVE, "bob": State.DISABLED}
    assert found["ann"].plan == "max"
    said = json.loads(path.read_bytes())
    assert (said["version"], [row["state"] for row in said["accounts"]]) == (2, ["active", "disabled"])
    assert said["accounts"][1]["note"] == "ours"
    assert "enabled" not in said["accounts"][0]


def test_rows_that_lack_something_are_left_out_with_a_warning_and_stay_in_the_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    poor = [{**ROW, name: None} for name in ROW] + [{**ROW, "state": "resting"}, ROW, "rubbish"]
    file = kept(path, ROW, *poor)  # type: ignore[arg-type]
    found, _ = file.load()
    assert list(found) == ["ann"]
    for word in ("has no id", "has no access_token", "has no refresh_token", "has no expires_at", "comes twice"):
        assert word in caplog.text
    file.change(renamed("x"))
    assert len(json.loads(path.read_bytes())["accounts"]) == 1 + len(poor)
    assert "at-secret" not in caplog.text
    assert "rt-secret" not in caplog.text


def test_what_a_hand_wrote_is_made_to_agree_with_its_state(path: Path) -> None:
    said = {"cooldown_until": 4_000_000_000_000, "probation": True, "revoke_reason": "x"}
    states = ("active", "cooldown", "revoked", "disabled")
    found, _ = kept(path, *({**ROW, **said, "id": state, "state": state} for state in states)).load()
    assert [bool(one.cooldown_until) for one in found.values()] == [False, True, False, False]
    assert [one.probation for one in found.values()] == [True, False, False, False]
    assert [one.revoke_reason for one in found.values()] == ["", "", "x", "x"]


@pytest.mark.parametrize(
    "field", ["expires_at", "state_changed_at", "cooldown_until", "consecutive_failures", "cooldowns", "generation"]
)
@pytest.mark.parametrize("value", [-1, 10**30, "soon", 1.5e300])
def test_figures_beyond_belief_are_left_out(path: Path, field: str, value: Any) -> None:
    assert list(kept(path, ROW, {**ROW, "id": "bob", field: value}).load()[0]) == ["ann"]


@pytest.mark.parametrize("harm", ["", '{"version": 2, "acc', "null", "[1", '{"version": 2}', "\udcff"])
def test_a_torn_file_is_recovered_from_its_backup(path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    file = kept(path, ROW)
    file.change(renamed("before"))
    path.write_bytes(harm.encode("utf-8", "surrogateescape"))
    found, _ = StateFile(path).load()
    assert found["ann"].label == "before"
    assert json.loads(path.read_bytes())["accounts"][0]["label"] == "before"
    assert "from its backup" in caplog.text


def test_a_file_that_is_gone_is_recovered_too(path: Path) -> None:
    kept(path, ROW).change(renamed("before"))
    path.unlink()
    assert StateFile(path).load()[0]["ann"].label == "before"


def test_a_change_on_a_torn_file_builds_on_the_backup(path: Path) -> None:
    file = kept(path, ROW)
    file.load()
    path.write_text("{")
    found, _ = file.change(lambda accounts: {**accounts, "bob": replace(accounts["ann"], id="bob")})
    assert list(found) == ["ann", "bob"]
    assert list(StateFile(path).load()[0]) == ["ann", "bob"]


def test_both_torn_is_a_clear_error_and_nothing_is_overwritten(path: Path) -> None:
    file = kept(path, ROW)
    file.load()
    path.write_text('{"to')
    file.backup.write_text('{"rn')
    for work in (file.load, lambda: file.change(renamed("x"))):
        with pytest.raises(Unavailable, match="damaged, too"):
            work()
    assert (path.read_text(), file.backup.read_text()) == ('{"to', '{"rn')


def test_a_torn_file_without_a_backup_is_an_error_too(path: Path) -> None:
    path.write_text("")
    with pytest.raises(Unavailable, match="has no backup"):
        StateFile(path).change(lambda accounts: accounts)
    assert path.read_text() == ""


def test_a_file_of_a_later_version_is_not_touched(path: Path) -> None:
    file = kept(path, ROW, version=3)
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="version 3"):
        file.load()
    with pytest.raises(Unavailable, match="version 3"):
        file.change(renamed("x"))
    assert path.read_bytes() == before


def test_work_that_fails_changes_nothing(path: Path) -> None:
    file = kept(path, ROW)

    def work(accounts: Accounts) -> Accounts:
        raise KeyError("bob")

    with pytest.raises(KeyError):
        file.change(work)
    assert list(StateFile(path).load()[0]) == ["ann"]


def test_many_writers_lose_nothing(path: Path) -> None:
    kept(path, ROW)

    def add(name: str) -> None:
        StateFile(path).change(lambda accounts: {**accounts, name: replace(accounts["ann"], id=name)})

    threads = [threading.Thread(target=add, args=(f"a{number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(StateFile(path).load()[0]) == {"ann", *(f"a{number}" for number in range(20))}


def test_only_one_at_a_time_may_renew_an_account(path: Path) -> None:
    one, other = StateFile(path), StateFile(path)
    held = one.take("ann")
    assert held is not None
    assert other.take("ann") is None
    bob = other.take("bob")
    assert bob is not None
    other.let_go(bob)
    one.let_go(held)
    again = other.take("ann")
    assert again is not None
    other.let_go(again)


HOLDS = """
import sys
from pathlib import Path
from tollway.gateway.accounts.state_file import StateFile
held = StateFile(Path(sys.argv[1])).take("ann")
print("held" if held else "not held", flush=True)
sys.stdin.read()
"""


def test_the_right_to_renew_comes_back_when_its_holder_is_killed(path: Path) -> None:
    file = kept(path, ROW)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert file.take("ann") is None
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    held = file.take("ann")
    assert held is not None
    file.let_go(held)


WRITES = """
import sys
from pathlib import Path
from tollway.gateway.accounts.account import replace
from tollway.gateway.accounts.state_file import StateFile
file = StateFile(Path(sys.argv[1]))
print("writing", flush=True)
number = 0
while True:
    number += 1
    label = "x" * 200_000 + str(number)
    file.change(lambda accounts: {name: replace(one, label=label) for name, one in accounts.items()})
"""


def test_kill_9_in_the_middle_of_a_write_leaves_a_whole_file(path: Path) -> None:
    kept(path, ROW).load()
    for round_ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITES, str(path)], stdout=subprocess.PIPE, env=dict(os.environ)
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        before = StateFile(path).stamp()
        while StateFile(path).stamp() == before:
            pass
        threading.Event().wait(round_ * 0.0007)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        for each in (path, path.with_name(path.name + ".bak")):
            assert list(Document.read(each.read_bytes()).accounts) == ["ann"]
    StateFile(path).change(renamed("after"))
    assert StateFile(path).load()[0]["ann"].label == "after"
    assert not list(path.parent.glob(".*.draft"))


FILLS = """
import resource, signal, sys
from pathlib import Path
from tollway.gateway.accounts.account import replace
from tollway.gateway.accounts.state_file import StateFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    change = lambda accounts: {name: replace(one, label="x" * 200_000) for name, one in accounts.items()}
    StateFile(Path(sys.argv[1])).change(change)
except Exception as error:
    print(type(error).__name__)
"""


def test_a_full_disk_refuses_and_leaves_the_accounts_as_they_were(path: Path) -> None:
    kept(path, ROW).load()
    files = path, path.with_name(path.name + ".bak")
    before = [each.read_bytes() for each in files if each.exists()]
    done = subprocess.run(
        [sys.executable, "-c", FILLS, str(path)], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert done.stdout.strip() == "OSError", done.stdout + done.stderr  # as `change` says, and its callers expect
    assert [each.read_bytes() for each in files if each.exists()] == before
    assert not list(path.parent.glob(".*.draft"))
    StateFile(path).change(renamed("after"))
    assert StateFile(path).load()[0]["ann"].label == "after"


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["version", "accounts", "id", "access_token", "refresh_token", "expires_at", "state"]),
        inner, max_size=4),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
@effort(300)
def test_no_text_whatever_stumbles_the_reader(data: bytes) -> None:
    try:
        document = Document.read(data)
    except (Torn, ValueError):
        return
    again = Document.read(document.written(document.accounts))
    assert again.accounts == document.accounts
    assert len(again.rows) == len(document.rows)
