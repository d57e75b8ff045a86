"""Names for every identifier, so that one cannot be passed where another is meant."""

from typing import NewType

UserId = NewType("UserId", str)
KeyId = NewType("KeyId", str)
CallId = NewType("CallId", str)
"""Identifies one call from its first byte to its receipt: `req_` + UUIDv7 (sortable by time)."""
ChannelId = NewType("ChannelId", str)
LaneId = NewType("LaneId", str)
"""One key of a channel: the channel's own id where it has one key or none, else `<channel>#<hash of the key>`."""
ModelId = NewType("ModelId", str)
"""A model as sold in the catalog, e.g. `claude-haiku`; never an upstream's own name for it."""
LeaseId = NewType("LeaseId", str)
