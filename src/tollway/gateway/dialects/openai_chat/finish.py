"""Why an answer ended, in OpenAI's words and in ours (relay.md 6.16a)."""

from tollway.core.stream import Finish

_READ = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
    "model_length": Finish.CONTEXT_WINDOW,
}
_WRITTEN = {
    Finish.LENGTH: "length",
    Finish.CONTEXT_WINDOW: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.CONTENT_FILTER: "content_filter",
}


def read_finish(reason: str, called: bool) -> Finish:
    """Our word; a plain `stop` after tool calls means that they should be run (a forced tool ends so)."""
    finish = _READ.get(reason, Finish.OTHER)
    return Finish.TOOL_CALLS if called and finish in (Finish.STOP, Finish.OTHER) else finish


def write_finish(finish: Finish) -> str:
    """OpenAI's word."""
    return _WRITTEN.get(finish, "stop")
