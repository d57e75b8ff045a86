"""A conversation the provider would hold is refused so that the vendor's SDK goes on without."""

import json

import pytest

from tollway.gateway.dialect import open_body
from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.dialects.anthropic_messages.held import HeldElsewhere


@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}, True])
def test_a_thread_is_refused_in_the_vendors_own_code(thread: object) -> None:
    body = {"model": "claude-haiku", "max_tokens": 5, "messages": [], "thread": thread}
    with pytest.raises(HeldElsewhere) as told:
        dialect.envelope(open_body(json.dumps(body).encode()), {})
    status, written = dialect.write_error(told.value, "req_1")
    details = json.loads(written)["error"]["details"]
    assert status == 400
    assert details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


def test_no_thread_is_no_thread() -> None:
    body = {"model": "claude-haiku", "max_tokens": 5, "messages": [], "thread": None}
    assert dialect.envelope(open_body(json.dumps(body).encode()), {}).model == "claude-haiku"
