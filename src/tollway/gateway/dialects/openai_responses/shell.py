"""The response object around an answer."""

from collections.abc import Sequence
from typing import Any

from tollway.core.stream import Finish
from tollway.core.usage import Usage
from tollway.gateway.dialect import Voice
from tollway.gateway.dialects.openai_responses.echoed import echoed
from tollway.gateway.dialects.openai_responses.finish import incomplete_reason
from tollway.gateway.dialects.openai_responses.namespaces import Namespaces
from tollway.gateway.dialects.openai_responses.usage import write_usage

Fields = dict[str, Any]


class Shell:
    """One response: what stays the same from its first event to its last."""

    def __init__(self, voice: Voice, answer_id: str) -> None:
        name = answer_id or voice.request_id
        self.id = name if name.startswith("resp_") else f"resp_{name}"
        self._tail = self.id.removeprefix("resp_")
        self._voice = voice
        self._echoed = echoed(voice.options)
        self.named = Namespaces(self._echoed["tools"]).named
        """What a call says of its tool, by the name under which the model knows it."""

    def item_id(self, kind: str, index: int) -> str:
        """A name for the item at `index` of the output."""
        return f"{kind}_{self._tail}_{index}"

    def said(self, status: str, output: Sequence[Fields], **more: Any) -> Fields:
        """The response as it stands; `more` are `error`, `incomplete_details` and `usage`."""
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._voice.created_s,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._voice.model,
            "output": output,
            **self._echoed,
            "usage": None,
            **more,
        }

    def ended(self, finish: Finish, output: Sequence[Fields], usage: Usage | None) -> Fields:
        """The response that has come to an end by itself."""
        told = write_usage(usage) if usage is not None else None
        reason = incomplete_reason(finish)
        if reason is None:
            return self.said("completed", output, usage=told)
        return self.said("incomplete", output, usage=told, incomplete_details={"reason": reason})


def status_of(finish: Finish) -> str:
    """How the last item of such an answer ended."""
    return "completed" if incomplete_reason(finish) is None else "incomplete"
