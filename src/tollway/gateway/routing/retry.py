"""What a failure of the wire means for the plan (relay.md 4.5)."""

from tollway.core.errors import Fault, Remedy
from tollway.kit.http1.wire import UpstreamError

Ranges = tuple[range, ...]
_TIMEOUTS = {"first_byte", "idle", "total"}


def fault_of(error: UpstreamError, channel: str) -> Fault:
    """A failure to connect, or to hear anything, as a fault with its remedy.

    A refused, reset or garbled connection sends the call to the next channel; silence is worth one more try.
    """
    if error.phase in _TIMEOUTS:
        return silence(channel)
    return Fault(
        f"{channel}: the provider could not be reached ({error.phase})",
        status=502,
        remedy=Remedy.NEXT_CHANNEL,
        code="connection_failed",
    )


def silence(channel: str) -> Fault:
    """The provider said nothing for too long."""
    return Fault(f"{channel}: the provider did not answer in time", status=504, remedy=Remedy.ONCE_MORE, code="timeout")


def ranges_of(statuses: str) -> Ranges:
    """`401,403-404,500-599` as ranges."""
    ends = [[int(end) for end in part.split("-")] for part in statuses.split(",") if part.strip()]
    return tuple(range(one[0], one[-1] + 1) for one in ends)


def overruled(fault: Fault, ranges: Ranges) -> Remedy:
    """The remedy of an upstream's answer where an operator has listed the statuses worth another channel; that of
    whatever else went wrong stays as it is."""
    if not ranges or not fault.head:
        return fault.remedy
    if not any(fault.status in one for one in ranges):
        return Remedy.NONE
    return Remedy.NEXT_CHANNEL if fault.remedy is Remedy.NONE else fault.remedy
