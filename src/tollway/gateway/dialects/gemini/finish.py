"""Why an answer ended, in Google's words and ours (relay.md 6.16a)."""

from tollway.core.stream import Finish

_FILTERED = [
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "LANGUAGE",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
]
_MALFORMED = [
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
]
_READ = (
    {"STOP": Finish.STOP, "MAX_TOKENS": Finish.LENGTH}
    | dict.fromkeys(_FILTERED, Finish.CONTENT_FILTER)
    | dict.fromkeys(_MALFORMED, Finish.MALFORMED_TOOL)
)
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
