"""The way to the control plane: built when first asked, told who asks."""

import threading
import time
from pathlib import Path
from typing import Any

from tests.gateway.pipeline.stage import Ear, Stage, open_stage
from tollway.gateway.control_plane import QUIET_S, ControlPlane, load
from tollway.kit.http1.asgi import Receive, Send
from tollway.kit.http1.wire import Request


class Echoing:
    """An app that remembers what it was told."""

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        self.states.append(dict(scope["state"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


async def asked(stage: Stage, plane: ControlPlane, path: str, key: bytes = b"", query: str = "") -> Ear:
    ear = Ear()
    headers = {b"authorization": b"Bearer " + key} if key else {}
    await plane.handle(Request("GET", path, query, headers, b"", "192.0.2.1"), ear)
    return ear


async def test_the_app_is_built_once_and_only_when_it_is_asked(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={}) as stage:
        built: list[int] = []
        app = Echoing()

        def build() -> Any:
            built.append(1)
            return app

        plane = ControlPlane(stage.hub.keys, build)
        assert not built
        for _ in range(2):
            assert (await asked(stage, plane, "/v1/models")).data == b"ok"
        assert built == [1]


async def test_it_is_built_beside_the_loop_in_a_quiet_second_and_not_in_a_busy_one(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={}) as stage:
        built: list[int] = []

        def build() -> Any:
            built.append(threading.get_ident())
            return Echoing()

        plane = ControlPlane(stage.hub.keys, build)
        began_s = time.process_time()
        while time.process_time() < began_s + 2 * QUIET_S:
            pass  # somebody's work
        await plane.load_when_quiet()
        assert not built
        await plane.load_when_quiet()
        await plane.load_when_quiet()
        assert len(built) == 1
        assert built != [threading.get_ident()]


async def test_the_caller_or_the_refusal_goes_along_with_an_id(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={}) as stage:
        app = Echoing()
        plane = ControlPlane(stage.hub.keys, lambda: app)
        await asked(stage, plane, "/v1/models", stage.key.encode())
        await asked(stage, plane, "/v1/models", b"inf_wrong")
        await asked(stage, plane, "/v1/models")
        known, wrong, nobody = app.states
        assert known["caller"].user == stage.user and "refusal" not in known
        assert wrong["refusal"].status == nobody["refusal"].status == 401 and "caller" not in wrong
        assert len({one["request_id"] for one in app.states}) == 3


async def test_a_key_in_the_query_counts_only_where_google_reads_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={}) as stage:
        app = Echoing()
        plane = ControlPlane(stage.hub.keys, lambda: app)
        await asked(stage, plane, "/v1beta/models", query=f"key={stage.key}")
        await asked(stage, plane, "/api-keys", query=f"key={stage.key}")
        google, ours = app.states
        assert "caller" in google and "refusal" in ours


async def test_the_real_app_lists_models_to_known_callers_only(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        ear, task = Ear(), None
        headers = {b"authorization": b"Bearer " + stage.key.encode()}
        await stage.front.handle(Request("GET", "/v1/models", "", headers, b"", "192.0.2.1"), ear)
        assert task is None and ear.status == 200 and any(one["id"] == "gpt-5-mini" for one in ear.json["data"])
        stranger = Ear()
        await stage.front.handle(Request("GET", "/v1/models", "", {}, b"", "192.0.2.1"), stranger)
        assert stranger.status == 401


def test_what_is_dear_to_import_is_found_by_name() -> None:
    assert load("tests.gateway.test_control_plane", "Echoing").__name__ == "Echoing"
