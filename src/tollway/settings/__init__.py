"""The settings of one process, read once at its start; nobody else looks at the environment."""

from tollway.settings.channels import Vendor
from tollway.settings.reading import Settings, from_process, load, variable
from tollway.settings.sections import Books, Keys, Metrics, Plans, Retention, Server, Upstream
from tollway.settings.sources import SettingsError

__all__ = [
    "Books",
    "Keys",
    "Metrics",
    "Plans",
    "Retention",
    "Server",
    "Settings",
    "SettingsError",
    "Upstream",
    "Vendor",
    "from_process",
    "load",
    "variable",
]
