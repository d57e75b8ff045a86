"""Why an answer ended, in Google's words and ours (relay.md 6.16a)."""

from tollway.core.stream import Finish

_MEANINGS = (
    (Finish.STOP, "STOP"),
    (Finish.LENGTH, "MAX_TOKENS"),
    (Finish.CONTENT_FILTER, "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII LANGUAGE MODEL_ARMOR"),
    (Finish.CONTENT_FILTER, "IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION"),
    (Finish.MALFORMED_TOOL, "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS"),
    (Finish.MALFORMED_TOOL, "MISSING_THOUGHT_SIGNATURE MALFORMED_RESPONSE"),
)
_READ = {word: finish for finish, words in _MEANINGS for word in words.split()}
_WRITTEN = {
    Finish.STOP: "STOP",
    Finish.STOP_SEQUENCE: "STOP",
    Finish.TOOL_CALLS: "STOP",
    Finish.PAUSE: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.CONTEXT_WINDOW: "MAX_TOKENS",
    Finish.CONTENT_FILTER: "SAFETY",
    Finish.MALFORMED_TOOL: "MALFORMED_FUNCTION_CALL",
    Finish.OTHER: "OTHER",
}


def read_finish(reason: str, called: bool) -> Finish:
    """Our word; `called` tells whether this very candidate called a tool. Unknown words are no refusals: OTHER."""
    finish = _READ.get(reason, Finish.OTHER)
    return Finish.TOOL_CALLS if called and finish is Finish.STOP else finish


def write_finish(finish: Finish) -> str:
    """Google's word."""
    return _WRITTEN[finish]
