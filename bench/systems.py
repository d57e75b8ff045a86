"""The systems that are measured: how each is found or installed, set up before the mock, and started on its core."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import Process, free_port, surroundings

LITELLM = "1.102.4"
"""Of the versions whose every requirement the package index can serve, the newest before release 1.107.0."""
ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "bench" / "build"
START_S = 120.0
PATHS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
OPENAI, CLAUDE = "gpt-5-mini", "claude-haiku"


class Missing(Exception):
    """A system cannot be measured here; the message says what to do about it."""


@dataclass
class System:
    """One system that answers OpenAI's chat calls at `url`."""

    name: str
    version: str
    url: str
    process: Process
    key: str = "none"
    ready_s: float = 0.0
    """From the start of the process to its first answer of 200."""
    idle_kb: float = 0.0
    figures: dict[str, object] = field(default_factory=dict)


def first_answer_s(began_s: float, ask: Callable[[], bool]) -> float:
    """How long after `began_s` it first answers; asked every 5 ms. Raises Missing after two minutes."""
    while time.perf_counter() - began_s < START_S:
        if ask():
            return time.perf_counter() - began_s
        time.sleep(0.005)
    raise Missing("it does not answer; its output is in the bench's folder")


def answers(url: str, key: str, model: str) -> bool:
    """Whether a small call is answered with 200."""
    asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(asked).encode(), headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def chat_url(port: int) -> str:
    """Where OpenAI's chat calls go."""
    return f"http://127.0.0.1:{port}/v1/chat/completions"


# --- nginx ---------------------------------------------------------------------------------------------------------


def start_nginx(folder: Path, mock_port: int, core: int) -> System:
    """A reverse proxy that does nothing but relay. Raises Missing."""
    binary = shutil.which("nginx", path=PATHS) or _install_nginx()
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX % {"folder": folder, "port": port, "mock": mock_port}, encoding="utf-8")
    began_s = time.perf_counter()
    argv = [binary, "-p", str(folder), "-e", str(folder / "nginx.log"), "-c", str(folder / "nginx.conf")]
    system = System("nginx", _number(said), chat_url(port), Process(argv, core, {}, folder / "nginx.out"))
    return _await(system, began_s, OPENAI)


def _install_nginx() -> str:
    remedy = "nginx is missing: apt-get install -y nginx-light"
    if os.geteuid() or not shutil.which("apt-get"):
        raise Missing(remedy)
    print("installing nginx-light", flush=True)
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True}
    subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(  # type: ignore[call-overload]
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", "nginx-light"], check=False, **quiet
    )
    binary = shutil.which("nginx", path=PATHS)
    if not binary:
        raise Missing(remedy)
    return binary


NGINX = """daemon off; worker_processes 1; pid %(folder)s/nginx.pid; worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  client_body_buffer_size 1m; client_max_body_size 10m;
  upstream mock { server 127.0.0.1:%(mock)d; keepalive 2048; keepalive_requests 100000000; keepalive_timeout 600s; }
  server {
    listen 127.0.0.1:%(port)d backlog=4096;
    location / { proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
"""


# --- Tollway -------------------------------------------------------------------------------------------------------


def tollway_environ(folder: Path, mock_port: int, database_url: str = "") -> dict[str, str]:
    """Everything on: three providers, so that each plan has fallbacks, and limits on every key; SQLite unless told."""
    base = f"http://127.0.0.1:{mock_port}"
    return {
        "PYTHONPATH": str(ROOT / "src"),
        "TOLLWAY_DATA_DIR": str(folder / ("tollway-postgresql" if database_url else "tollway")),
        **({"TOLLWAY_DATABASE_URL": database_url} if database_url else {}),
        "TOLLWAY_KEYS_REQUESTS_PER_MINUTE": "1000000000",
        "TOLLWAY_KEYS_PARALLEL_CALLS": "100000",
        "OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": f"{base}/v1",
        "ANTHROPIC_API_KEY": "sk-ant-bench", "ANTHROPIC_BASE_URL": base,
        "GEMINI_API_KEY": "bench", "GEMINI_BASE_URL": base,
    }  # fmt: skip


def start_tollway(folder: Path, mock_port: int, core: int, database_url: str = "") -> System:
    """The gateway on a data folder of its own, and a user who can pay for it all."""
    environ = tollway_environ(folder, mock_port, database_url)
    command = [sys.executable, "-m", "tollway"]
    make = [*command, "users", "create", "bench@localhost", "--credits", "1000000000", "--json"]
    made = subprocess.run(make, env=surroundings(environ), capture_output=True, text=True, check=False)
    if made.returncode:
        raise Missing(f"no user could be made: {made.stderr.strip()}")
    key = json.loads(made.stdout)["api_key"]
    return serve_tollway(folder, environ, core, lambda: key)


def serve_tollway(folder: Path, environ: Mapping[str, str], core: int, key: Callable[[], str]) -> System:
    """Start `tollway serve`; it is ready when it has answered an echo call with the key that is there by then."""
    port = free_port()
    began_s = time.perf_counter()
    argv = [sys.executable, "-m", "tollway", "serve", "--port", str(port)]
    process = Process(argv, core, environ, folder / "tollway.out")
    system = System("Tollway", _tollway_version(), chat_url(port), process)

    def ask() -> bool:
        system.key = key()
        return bool(system.key) and answers(system.url, system.key, "echo")

    return _await(system, began_s, "echo", ask)


def first_key(folder: Path) -> str:
    """The API key of the first start, once it has been written."""
    try:
        told = json.loads((folder / "tollway" / "first-run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told["api_key"])


def _tollway_version() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return _number(text.partition("\nversion")[2])


# --- LiteLLM -------------------------------------------------------------------------------------------------------


def start_litellm(folder: Path, mock_port: int, core: int) -> System:
    """LiteLLM's proxy with one worker and its master key as the one key it checks. Raises Missing."""
    home = _install_litellm()
    port, base = free_port(), f"http://127.0.0.1:{mock_port}"
    (folder / "litellm.yaml").write_text(LITELLM_CONFIG.replace("BASE", base), encoding="utf-8")
    environ = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1", "LITELLM_LOG": "ERROR"}
    argv = [str(home / "bin" / "python"), str(home / "bin" / "litellm"), "--config", str(folder / "litellm.yaml")]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    began_s = time.perf_counter()
    process = Process(argv, core, environ, folder / "litellm.out")
    return _await(System("LiteLLM", LITELLM, chat_url(port), process, "sk-bench-master"), began_s, OPENAI)


def _install_litellm() -> Path:
    home = BUILD / f"litellm-{LITELLM}"
    if (home / "complete").exists():
        return home
    print(f"installing LiteLLM {LITELLM} into an environment of its own", flush=True)
    try:
        venv.create(home, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Missing(f"no environment for LiteLLM can be made: {error}") from None
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, f"litellm[proxy]=={LITELLM}"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"LiteLLM {LITELLM} cannot be installed: {done.stderr.strip()[-300:]}")
    (home / "complete").touch()
    return home


LITELLM_CONFIG = f"""model_list:
  - model_name: {OPENAI}
    litellm_params: {{model: openai/gpt-5-mini, api_base: BASE/v1, api_key: sk-bench}}
  - model_name: {CLAUDE}
    litellm_params: {{model: anthropic/claude-haiku-4-5-20251001, api_base: BASE, api_key: sk-ant-bench}}
general_settings: {{master_key: sk-bench-master}}
litellm_settings: {{drop_params: true, telemetry: false}}
"""


def _await(system: System, began_s: float, model: str, ask: Callable[[], bool] | None = None) -> System:
    """The system once it answers; ends it when it never does."""
    try:
        system.ready_s = first_answer_s(began_s, ask or (lambda: answers(system.url, system.key, model)))
    except BaseException as error:
        system.process.stop()
        if isinstance(error, Missing):
            raise Missing(f"{system.name}: {error}") from None
        raise
    return system


def _number(text: str) -> str:
    found = re.search(r"\d+(\.\d+)+", text)
    return found.group() if found else "?"
