"""Ports made real inside the process, with nothing to install."""

from tollway.backends.memory.echo import EchoUpstream
from tollway.backends.memory.shelf import key_value

__all__ = ["EchoUpstream", "key_value"]
