"""What every vault promises: what was sealed opens again, only there, only for what it was sealed for."""

import asyncio
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.backends.localvault import LocalVault, new_key
from tollway.core.errors import BrokenSeal, OtherVault, Unavailable
from tollway.ports import Vault

OLD, NEW = new_key(), new_key()
Make = Callable[[Path], Vault]
VAULTS: dict[str, Make] = {
    "file": lambda folder: LocalVault(folder / "vault.keys"),
    "setting": lambda folder: LocalVault(folder / "vault.keys", NEW),
    "ring": lambda folder: LocalVault(folder / "vault.keys", f"{NEW}, {OLD}"),
}


@pytest.fixture(params=VAULTS, ids=list(VAULTS))
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    return VAULTS[request.param](tmp_path)


@settings(max_examples=40, derandomize=True)
@given(secret=st.binary(max_size=5000), context=st.text(max_size=50))
def test_what_was_sealed_opens_as_it_was(secret: bytes, context: str) -> None:
    one = LocalVault(Path("nowhere"), NEW)
    sealed = asyncio.run(one.seal(secret, context))
    assert sealed.isascii() and sealed.isprintable()
    assert asyncio.run(one.open(sealed, context)) == secret


async def test_no_two_seals_are_alike_and_none_shows_what_it_holds(vault: Vault) -> None:
    first, second = await vault.seal(b"sk-secret", "a"), await vault.seal(b"sk-secret", "a")
    assert first != second
    assert "sk-secret" not in first


async def test_a_seal_opens_only_for_what_it_was_made_for(vault: Vault) -> None:
    sealed = await vault.seal(b"sk-secret", "channel:a")
    with pytest.raises(BrokenSeal, match="channel:b"):
        await vault.open(sealed, "channel:b")


async def test_any_changed_character_is_noticed(vault: Vault) -> None:
    sealed = await vault.seal(b"sk-secret", "a")
    for at in range(len(sealed)):
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        try:
            opened = await vault.open(changed, "a")
        except (BrokenSeal, OtherVault):
            continue
        assert opened == b"sk-secret", "only bits that base64 does not use may differ"


@pytest.mark.parametrize(
    "garbage", ["", ".", "tw1", "tw1..", "tw1.zz.!!", "v9.12345678.AAAA", "tw1.12345678.", "\u00e9.x.y"]
)
async def test_garbage_is_an_error_that_says_so(vault: Vault, garbage: str) -> None:
    with pytest.raises((BrokenSeal, OtherVault)):
        await vault.open(garbage, "a")


async def test_another_hosts_key_is_a_clear_error(vault: Vault, tmp_path: Path) -> None:
    sealed = await LocalVault(tmp_path / "other.keys").seal(b"sk-secret", "a")
    with pytest.raises(OtherVault, match="every host on one database the same TOLLWAY_VAULT_KEY"):
        await vault.open(sealed, "a")


async def test_the_file_is_its_owners_and_is_made_once_by_however_many(tmp_path: Path) -> None:
    vaults = [LocalVault(tmp_path / "vault.keys") for _ in range(8)]
    sealed = await asyncio.gather(*(one.seal(b"sk-secret", "a") for one in vaults))
    assert stat.S_IMODE((tmp_path / "vault.keys").stat().st_mode) == 0o600
    assert len((tmp_path / "vault.keys").read_text().split()) == 1
    for one in vaults:
        for text in sealed:
            assert await one.open(text, "a") == b"sk-secret"
    assert [file.name for file in tmp_path.iterdir()] == ["vault.keys"]


async def test_once_turned_the_newest_key_seals_and_the_old_ones_open_in_every_process(tmp_path: Path) -> None:
    here, there = LocalVault(tmp_path / "vault.keys"), LocalVault(tmp_path / "vault.keys")
    old = await here.seal(b"old", "a")
    assert await there.open(old, "a") == b"old"
    newest = await here.turn()
    new = await here.seal(b"new", "a")
    assert newest in new and newest not in old
    assert [await there.open(text, "a") for text in (old, new)] == [b"old", b"new"]
    assert await there.ids() == await here.ids()
    assert len(await here.ids()) == 2


async def test_many_turns_at_once_lose_no_key(tmp_path: Path) -> None:
    vaults = [LocalVault(tmp_path / "vault.keys") for _ in range(6)]
    await asyncio.gather(*(one.turn() for one in vaults))
    sealed = [await one.seal(b"x", "a") for one in vaults]
    assert [await LocalVault(tmp_path / "vault.keys").open(text, "a") for text in sealed] == [b"x"] * 6
    assert len((tmp_path / "vault.keys").read_text().split()) == 7


async def test_a_stated_key_is_turned_by_whoever_states_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="TOLLWAY_VAULT_KEY"):
        await LocalVault(tmp_path / "vault.keys", NEW).turn()


@pytest.mark.parametrize(
    "text", ["short", "!" * 44, "A" * 45, f"{NEW},short", "g" * 64], ids=["short", "signs", "odd", "two", "no hex"]
)
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="is not 32 bytes") as refused:
        LocalVault(tmp_path / "vault.keys", text)
    assert text not in str(refused.value)


async def test_a_spoilt_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "vault.keys").write_text("no key at all\n")
    with pytest.raises(Unavailable, match=r"vault\.keys holds no vault keys"):
        await LocalVault(tmp_path / "vault.keys").seal(b"x", "a")


@contextmanager
def no_room() -> Iterator[None]:
    """The system refuses to let files grow, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_makes_no_half_a_key_and_is_told_as_that(tmp_path: Path) -> None:
    vault = LocalVault(tmp_path / "vault.keys")
    with no_room():
        with pytest.raises(Unavailable, match=r"cannot be written: .*vault\.keys"):
            await vault.seal(b"sk-secret", "a")
        assert list(tmp_path.iterdir()) == []
    sealed = await vault.seal(b"sk-secret", "a")
    assert await LocalVault(tmp_path / "vault.keys").open(sealed, "a") == b"sk-secret"


async def test_a_full_disk_leaves_the_keys_there_are(tmp_path: Path) -> None:
    vault = LocalVault(tmp_path / "vault.keys")
    sealed, before = await vault.seal(b"sk-secret", "a"), (tmp_path / "vault.keys").read_bytes()
    with no_room(), pytest.raises(Unavailable, match="cannot be written"):
        await vault.turn()
    assert (tmp_path / "vault.keys").read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} <= {"vault.keys", "vault.keys.lock"}
    for one in (vault, LocalVault(tmp_path / "vault.keys")):
        assert await one.open(sealed, "a") == b"sk-secret"
        assert await one.open(await one.seal(b"more", "b"), "b") == b"more"
