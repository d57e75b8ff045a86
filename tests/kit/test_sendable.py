"""What cannot be sent is known before it is sent."""

import pytest

from tollway.kit.sendable import bad_base_url, bad_header, is_sendable


@pytest.mark.parametrize("value", ["", "sk-1", "two words", "a=b; c"])
def test_plain_words_can_be_sent(value: str) -> None:
    assert is_sendable(value)


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0", "\x7f", "grün", "a\tb", "\u2028"])
def test_line_breaks_and_letters_beyond_ascii_cannot(value: str) -> None:
    assert not is_sendable(value)
    assert "ASCII" in bad_header("x-team", value)


@pytest.mark.parametrize("name", ["", "x team", "x:team", "x\r\nevil", "größe"])
def test_a_headers_name_is_a_token(name: str) -> None:
    assert bad_header(name, "v") == "is no name for a header"


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
def test_nobody_states_how_bytes_are_framed(name: str) -> None:
    assert "connection" in bad_header(name, "1")


def test_a_usual_header_is_fine() -> None:
    assert bad_header("X-Team", "blue") == ""


@pytest.mark.parametrize("url", ["http://h", "https://h:8443/v1", "http://[::1]:9/v1/"])
def test_a_usual_address_is_fine(url: str) -> None:
    assert bad_base_url(url) == ""


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://h/v1\r\nx: y", "ASCII"),
        ("http://h/v 1", "ASCII"),
        ("http://münchen.test", "ASCII"),
        ("ftp://h", "http://"),
        ("http:///v1", "with a host"),
        ("http://h:port", "is not a URL"),
        ("http://u:p@h", "credentials"),
        ("http://h?x=1", "query"),
    ],
)
def test_an_address_that_cannot_be_asked_says_why(url: str, problem: str) -> None:
    assert problem in bad_base_url(url)
