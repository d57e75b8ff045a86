"""Where tollway.toml and the data folder are."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tollway.settings.sources import SettingsError

FILE = "tollway.toml"


def find_file(environ: Mapping[str, str], given: Mapping[str, Any], here: Path) -> Path | None:
    stated = given.get("config") or environ.get("TOLLWAY_CONFIG")
    if stated:
        path = Path(stated).expanduser()
        if not path.is_file():
            raise SettingsError(f"{'--config' if given.get('config') else 'TOLLWAY_CONFIG'}: there is no file {path}")
        return path
    stated_dir = given.get("data_dir") or environ.get("TOLLWAY_DATA_DIR")
    data_dir = Path(stated_dir).expanduser() if stated_dir else default_data_dir(environ, here)
    return next((path for path in (here / FILE, data_dir / FILE) if path.is_file()), None)


def default_data_dir(environ: Mapping[str, str], here: Path) -> Path:
    """`tollway` in the user's data folder; in the current folder where there is no home to write to."""
    home = environ.get("HOME", "")
    base = environ.get("XDG_DATA_HOME") or (f"{home}/.local/share" if home else "")
    if base and _is_writable(Path(base)):
        return Path(base) / "tollway"
    return here / "tollway-data"


def _is_writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, may be written to."""
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    return folder.is_absolute() and os.access(nearest, os.W_OK)
