"""The addresses that the environment states for a provider: none, one, or one for each replica of an engine."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from tollway.kit.sendable import bad_base_url
from tollway.settings.sources import SettingsError


def addresses(name: str, moved: str, host: tuple[str, int], base_url: str, environ: Mapping[str, str]) -> list[str]:
    """Base URLs without a trailing slash: those the variable `moved` lists, else the host's, else the provider's own.

    `host` is a variable that holds `host[:port]`, and the port of one that names none. Raises SettingsError naming the
    variable, of provider `name`.
    """
    variable, port = host
    listed = [one.strip() for one in environ.get(moved, "").split(",") if one.strip()] if moved else []
    bare = environ.get(variable, "").strip() if variable else ""
    if not listed and bare:
        listed, moved = [at_host(bare, port)], variable
    if not listed:
        return [base_url] if base_url else []
    for one in listed:
        problem = bad_base_url(one)
        if problem:
            raise SettingsError(f"{moved}: {problem}")
    if len(set(listed)) < len(listed):
        raise SettingsError(f"{moved}: names one address of {name} twice")
    return [one.rstrip("/") for one in listed]


def at_host(bare: str, port: int) -> str:
    """The base URL of `host`, `host:port`, `:port` or a whole URL; an address to listen at means this machine."""
    url = bare if "://" in bare else f"http://{bare}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        stated = parts.port or (port if "://" not in bare else {"https": 443}.get(parts.scheme, 80))
    except ValueError:
        return url  # whoever judges addresses says what is wrong with it
    if host in ("", "0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{stated}{parts.path.rstrip('/')}"
