"""Sealer and Opener from a ring of keys, in a file of the data folder or in a setting: the newest seals, all open."""

import asyncio
import base64
import binascii
import fcntl
import hashlib
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tollway.core.errors import BrokenSeal, OtherVault, Unavailable

log = logging.getLogger(__name__)
KEY_BYTES = 32
NONCE_BYTES = 12
FORM = "tw1"
"""Stands in front of what is sealed, so that another way of sealing can be told from this one."""
MOST_FILE = 1 << 16


class VaultKey(NamedTuple):
    """One key of the ring."""

    id: str
    """Tells which key sealed a text; says nothing about the key."""
    cipher: AESGCM


class LocalVault:
    """AES-256-GCM with a random nonce; what is sealed opens only in the context it was sealed in."""

    def __init__(self, file: Path, stated: str = "") -> None:
        """`stated`: the keys themselves, newest first, separated by commas or blanks; then there is no file.

        Otherwise the file is made when something is to be sealed first. Raises ValueError for keys that are none.
        """
        self._file, self._stated = file, bool(stated.strip())
        self._ring = ring_of(stated)

    @property
    def is_stated(self) -> bool:
        """Whether the keys come from a setting, not from the file."""
        return self._stated

    async def seal(self, secret: bytes, context: str) -> str:
        """See ports.Sealer."""
        if not self._ring:
            await asyncio.to_thread(self._read_or_make)
        newest, nonce = self._ring[0], secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + newest.cipher.encrypt(nonce, secret, context.encode())
        return f"{FORM}.{newest.id}.{base64.urlsafe_b64encode(sealed).decode()}"

    async def open(self, sealed: str, context: str) -> bytes:
        """See ports.Opener."""
        form, _, rest = sealed.partition(".")
        name, _, text = rest.partition(".")
        key = self._key(name)
        if form == FORM and key is None and not self._stated:
            await asyncio.to_thread(self._read)  # another process may have made it, or turned the ring
            key = self._key(name)
        if form != FORM or key is None:
            raise OtherVault(self._foreign(name))
        try:
            data = base64.b64decode(text, altchars=b"-_", validate=True)
            return key.cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise BrokenSeal(f"what is sealed for {context} was changed since, or sealed for something else") from error

    async def ids(self) -> list[str]:
        """The ids of the keys, newest first; none when there is no file yet."""
        if not self._stated:
            await asyncio.to_thread(self._read)
        return [key.id for key in self._ring]

    async def turn(self) -> str:
        """Put a new key in front of the ring; its id. Raises Unavailable where the keys come from a setting."""
        if self._stated:
            raise Unavailable(
                f"the keys come from the setting: put a new one in front of TOLLWAY_VAULT_KEY, such as {new_key()},"
                " on every host, restart, then run `tollway vault reseal`"
            )
        await asyncio.to_thread(self._turn)
        return self._ring[0].id

    def _key(self, name: str) -> VaultKey | None:
        return next((key for key in self._ring if key.id == name), None)

    def _foreign(self, name: str) -> str:
        where = "TOLLWAY_VAULT_KEY" if self._stated else str(self._file)
        have = f"holds {', '.join(key.id for key in self._ring)}" if self._ring else "is not there"
        return (
            f"sealed with the vault key {name[:16]!r}, which this host does not have ({where} {have}):"
            " give every host on one database the same TOLLWAY_VAULT_KEY, or the same file of keys"
        )

    def _read(self) -> None:
        try:
            with self._file.open("rb") as file:
                mode, data = stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read(MOST_FILE)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"the vault's keys cannot be read: {self._file}: {error.strerror}") from error
        if mode & 0o077:
            log.warning("%s may be read by others than its owner: chmod 600 it", self._file)
        try:
            self._ring = ring_of(data.decode("ascii"))
        except ValueError as error:
            raise Unavailable(f"{self._file} holds no vault keys: {error}") from error

    def _read_or_make(self) -> None:
        self._read()
        if not self._ring:
            try:
                self._write(new_key(), replace=False)
            except OSError as error:
                raise self._unwritten(error) from error
            self._read()

    def _turn(self) -> None:
        self._read_or_make()
        try:
            self._turn_alone()
        except OSError as error:
            raise self._unwritten(error) from error
        self._read()

    def _turn_alone(self) -> None:
        with self._file.with_name(f"{self._file.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of two that turn at once neither may lose the other's key
            self._write(f"{new_key()}\n{self._file.read_text('ascii').strip()}", replace=True)

    def _unwritten(self, error: OSError) -> Unavailable:
        return Unavailable(f"the vault's keys cannot be written: {self._file}: {error.strerror}")

    def _write(self, text: str, *, replace: bool) -> None:
        """The file as a whole or not at all; without `replace`, one that another process has just made stays."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_name(f"{self._file.name}.{secrets.token_hex(6)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            if replace:
                draft.replace(self._file)
            else:
                os.link(draft, self._file)
            _settle(self._file.parent)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Wait until the folder's new entry would outlast the machine: what is sealed under a lost key is lost."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def new_key() -> str:
    """A key as it stands in the file or the setting."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def ring_of(text: str) -> tuple[VaultKey, ...]:
    """The keys of a text. Raises ValueError when one is no key."""
    return tuple(_key_of(word, number) for number, word in enumerate(text.replace(",", " ").split(), 1))


def _key_of(word: str, number: int) -> VaultKey:
    try:
        data = bytes.fromhex(word) if len(word) == 2 * KEY_BYTES else base64.b64decode(word, validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != KEY_BYTES:
        raise ValueError(f"key {number} is not 32 bytes in base64 (make one with `tollway vault new-key`)")
    return VaultKey(hashlib.blake2b(data, digest_size=4, person=b"tollway vault").hexdigest(), AESGCM(data))
