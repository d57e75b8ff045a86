"""Reads a refusal as the dialect's own clients would."""

from typing import Any

from tests.gateway.pipeline.counter import Told


def field_of(dialect: str, told: Told) -> str | None:
    """Asserts that a refusal is in the dialect's envelope with the request's id; the field it names."""
    said: Any = told.json
    assert told.headers[b"content-type"] == b"application/json"
    assert told.call
    if dialect in ("openai", "responses"):
        error = said["error"]
        assert isinstance(error["message"], str)
        assert isinstance(error["type"], str)
        assert told.call in error["message"]
        return error["param"]
    if dialect == "anthropic":
        assert said["type"] == "error"
        assert said["request_id"] == told.call
        assert isinstance(said["error"]["type"], str)
        return said["error"]["message"].partition(":")[0]
    if dialect == "gemini":
        error = said["error"]
        assert error["code"] == told.status
        assert isinstance(error["status"], str)
        assert told.call in error["message"]
        named = [item["fieldViolations"][0]["field"] for item in error["details"] if "fieldViolations" in item]
        return named[0] if named else None
    assert said["detail"]["request_id"] == told.call
    assert isinstance(said["detail"]["code"], str)
    return said["detail"].get("field")
