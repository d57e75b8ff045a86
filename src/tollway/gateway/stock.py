"""What channels are made of: providers, what settings say of them, how stored ones are read and sealed."""

from collections.abc import Mapping
from pathlib import Path

from tollway.backends.localvault import LocalVault
from tollway.backends.memory.echo import EchoUpstream
from tollway.core.errors import Unavailable
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway import providers
from tollway.gateway.channels.form import Form
from tollway.gateway.channels.roster import Fixed
from tollway.gateway.provider import Provider
from tollway.kit.registry import discover
from tollway.ports import Upstream
from tollway.settings import Settings
from tollway.stated.channels import INHERITED

VAULT = "vault.keys"


def known_providers() -> dict[str, Provider]:
    """Every provider plug-in by name."""
    return discover(providers, "provider", Provider)


def all_channels(settings: Settings, known: Mapping[str, Provider]) -> list[Channel]:
    """The configured channels, and those of providers inside the process; not those of the database."""
    return [one.channel for one in fixed_of(settings, known).with_stored(())]


def inside_of(known: Mapping[str, Provider]) -> dict[str, Upstream]:
    """What answers for the providers within the process."""
    return {one.name: EchoUpstream() for one in known.values() if one.inside}


def fixed_of(settings: Settings, known: Mapping[str, Provider]) -> Fixed:
    """The channels that are not kept in the database."""
    rows = settings.sheet.values.get("channels", []) if settings.sheet is not None else []
    of_file = {row["id"] for row in rows} | {pool.channel.id for pool in settings.pools}
    stated = {channel.provider for channel in settings.channels}
    file = tuple(channel for channel in settings.channels if channel.id in of_file)
    others = [channel for channel in settings.channels if channel.id not in of_file]
    others += [
        Channel(id=ChannelId(one.name), provider=one.name, base_url=one.base_url)
        for one in known.values()
        if one.inside and one.name not in stated
    ]
    inside = tuple(channel for channel in others if known[channel.provider].inside)
    return Fixed(file, tuple(channel for channel in others if not known[channel.provider].inside), inside)


def form_of(settings: Settings, known: Mapping[str, Provider]) -> Form:
    """How stored channels are read."""
    return Form(known, {name: getattr(settings.upstream, name) for name in INHERITED})


def vault_of(settings: Settings) -> LocalVault:
    """Where secrets are sealed. Raises Unavailable when the stated keys are none."""
    file = Path(settings.vault.file).expanduser() if settings.vault.file else settings.data_dir / VAULT
    try:
        return LocalVault(file, settings.vault.key)
    except ValueError as error:
        raise Unavailable(f"TOLLWAY_VAULT_KEY: {error}") from error
