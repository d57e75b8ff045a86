"""A newcomer starts Tollway and tries what it printed."""

import re
import signal
import stat
import subprocess
from collections.abc import Callable

from tests.journeys.hub import Hub


def test_the_three_printed_curl_lines_work_as_they_stand(start: Callable[..., Hub]) -> None:
    hub = start()
    lines = [line for line in hub.log.splitlines() if line.startswith("curl ")]
    assert len(lines) == 3
    for line in lines:
        done = subprocess.run(["bash", "-c", f"{line} -sS"], capture_output=True, text=True, check=True, timeout=30)
        assert "You said: " in done.stdout, done


def test_the_first_start_tells_its_secrets_once_and_keeps_them_private(start: Callable[..., Hub]) -> None:
    hub = start()
    mode = stat.S_IMODE((hub.folder / "first-run.json").stat().st_mode)
    assert mode == 0o600
    assert set(hub.keys) == {"url", "admin_key", "api_key"}
    assert hub.keys["api_key"] in hub.log
    before = len(hub.log)
    assert hub.stop() == 0
    again = hub.start().log[before:]
    assert not re.search(r"inf_[\w-]{20,}", again)


def test_sigterm_lets_a_call_in_flight_finish_and_settles_it(start: Callable[..., Hub]) -> None:
    hub = start()
    key = hub.keys["api_key"]
    body = (
        '{"model":"echo","stream":true,"messages":[{"role":"user","content":"[[slow:150]] one two three four five"}]}'
    )
    curl = ["curl", "-sSN", f"{hub.url}/v1/chat/completions", "-H", f"authorization: Bearer {key}", "-d", body]
    with subprocess.Popen(curl, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        assert hub.stop(signal.SIGTERM) == 0
        rest = running.stdout.read()
    assert "[DONE]" in first + rest
    assert hub.audit() == []
