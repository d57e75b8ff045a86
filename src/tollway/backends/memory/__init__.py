"""Ports made real inside the process, with nothing to install."""

from tollway.backends.memory.echo import EchoUpstream

__all__ = ["EchoUpstream"]
