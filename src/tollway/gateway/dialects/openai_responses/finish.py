"""Why an answer ended: status and incomplete_details, and our word (relay.md 6.16a)."""

from tollway.core.stream import Finish

_READ = {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.CONTENT_FILTER}
_WRITTEN = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT_WINDOW: "max_output_tokens",
    Finish.CONTENT_FILTER: "content_filter",
}


def read_finish(reason: str | None, called: bool) -> Finish:
    """Our word; `reason` is that of an incomplete response, None of a complete one."""
    if reason is not None:
        return _READ.get(reason, Finish.OTHER)
    return Finish.TOOL_CALLS if called else Finish.STOP


def incomplete_reason(finish: Finish) -> str | None:
    """The vendor's word for what is missing; None when the response is complete."""
    return _WRITTEN.get(finish)
