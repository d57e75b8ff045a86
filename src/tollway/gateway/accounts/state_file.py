"""The file that keeps a pool's accounts: never half written, never read torn, one writer at a time on this machine."""

import contextlib
import fcntl
import glob
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tollway.core.errors import Unavailable
from tollway.gateway.accounts.account import Account
from tollway.gateway.accounts.document import Document, Foreign, Torn

log = logging.getLogger("tollway.accounts")
Accounts = Mapping[str, Account]
Stamp = tuple[int, int, int]
"""Another whenever the file is another."""
NEVER: Stamp = (0, 0, 0)
PRIVATE = 0o600
LOCK_WAIT_S = 10.0
"""How long another process may keep the file to itself."""
LOOK_AGAIN_S = 0.01


class StateFile:
    """A pool's state file. Everything here blocks: call it from a thread, never from the event loop."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self.backup = self.path.with_name(self.path.name + ".bak")
        self._warned: set[str] = set()

    def stamp(self) -> Stamp:
        """What tells one state of the file from another, without reading it."""
        try:
            seen = self.path.stat()
        except FileNotFoundError:
            return NEVER
        return (seen.st_ino, seen.st_mtime_ns, seen.st_size)

    def load(self) -> tuple[Accounts, Stamp]:
        """All accounts. An old or torn file is written anew, from itself or from its backup.

        Raises Unavailable when neither can be read; nothing is overwritten then.
        """
        stamp = self.stamp()
        try:
            data = self.path.read_bytes()
            document = Document.read(data)
            if not document.is_old and data == self.backup.read_bytes():
                self._warn(document)
                return document.accounts, stamp
        except FileNotFoundError:
            if stamp == NEVER and not self.backup.exists():
                return {}, stamp
        except Torn:
            pass
        except Foreign as error:
            raise self._unknown(error) from error
        return self.change(lambda accounts: accounts)

    def change(self, work: Callable[[Accounts], Accounts]) -> tuple[Accounts, Stamp]:
        """Read, let `work` say what the accounts shall be, and write that, as one step; what is there afterwards.

        Raises Unavailable when the file cannot be read or another process keeps it, OSError when it cannot be written.
        Whatever `work` raises leaves the file as it was.
        """
        with self._alone():
            document, is_sound = self._read()
            accounts = dict(work(document.accounts))
            if accounts != document.accounts or document.is_old or not is_sound:
                data = document.written(accounts)
                self._replace(self.path, data)
                self._replace(self.backup, data)
            return accounts, self.stamp()

    def take(self, account: str) -> int | None:
        """The right to renew this account's tokens, one process at a time; None while another has it.

        Give it back with `let_go`; it comes back by itself when its holder dies.
        """
        name = hashlib.sha256(account.encode()).hexdigest()[:16]
        handle = self._open(f"{self.path.name}.{name}.lock")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    @staticmethod
    def let_go(handle: int) -> None:
        """The others may renew."""
        os.close(handle)

    def _read(self) -> tuple[Document, bool]:
        """The newest whole document, and whether the file and its backup both are just that."""
        try:
            data = self.path.read_bytes()
            document = Document.read(data)
            self._warn(document)
            return document, self.backup.exists() and self.backup.read_bytes() == data
        except FileNotFoundError:
            problem = ""
        except Torn as error:
            problem = f"the accounts file {self.path} is damaged: {error}"
        except Foreign as error:
            raise self._unknown(error) from error
        return self._recovered(problem)

    def _recovered(self, problem: str) -> tuple[Document, bool]:
        """What the backup says, because of this `problem` with the file; empty: there is no file."""
        try:
            document = Document.read(self.backup.read_bytes())
        except FileNotFoundError as error:
            if not problem:
                return Document([]), True
            raise Unavailable(f"{problem}; it has no backup; nothing was overwritten") from error
        except (Torn, Foreign) as error:
            raise Unavailable(
                f"{problem or f'the accounts file {self.path} is gone'}; its backup {self.backup} is damaged, too: "
                f"{error}; nothing was overwritten: restore one of them, or move both away and import the accounts anew"
            ) from error
        log.warning("%s; it is written anew from its backup", problem or f"the accounts file {self.path} is gone")
        self._warn(document)
        return document, False

    def _unknown(self, error: Foreign) -> Unavailable:
        return Unavailable(f"the accounts file {self.path} cannot be used: {error}")

    def _warn(self, document: Document) -> None:
        for skipped in document.skipped:
            if skipped not in self._warned:
                self._warned.add(skipped)
                log.warning("%s: %s; it is left out of the pool", self.path, skipped)

    # -- writing -----------------------------------------------------------------------------------------------

    def _replace(self, path: Path, data: bytes) -> None:
        """`path` holds `data` or what it held before, whenever we may be killed; it is never readable by others."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.draft")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), PRIVATE)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process, and no other thread, changes the file meanwhile."""
        lock = self._open(f"{self.path.name}.lock")
        try:
            self._wait(lock)
            for draft in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.draft"):
                draft.unlink(missing_ok=True)  # of a process that was killed in mid-write
            yield
        finally:
            os.close(lock)  # which frees it

    def _wait(self, lock: int) -> None:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"another process keeps the accounts file {self.path} locked") from None
            time.sleep(LOOK_AGAIN_S)

    def _open(self, name: str) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path.with_name(name), os.O_RDWR | os.O_CREAT, PRIVATE)
