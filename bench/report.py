"""What the bench found, as a table with the aims beside the figures, and as two files."""

import datetime
import json
import os
import platform
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.systems import ROOT

RESULTS = ROOT / "bench" / "results"
Figures = Mapping[str, Mapping[str, float]]
TIMES = "\N{MULTIPLICATION SIGN}"
SYSTEMS = ("direct", "nginx", "Tollway", "LiteLLM")


class Row(NamedTuple):
    """One figure of the table."""

    title: str
    figure: str
    unit: str
    times_nginx: float = 0.0
    """Aim: at most so many times nginx's figure; 0 means no such aim."""
    at_most: float | None = None
    """Aim: at most this."""
    times_peer: float = 0.0
    """Aim: at least so many times LiteLLM's figure."""
    at_least: float = 0.0
    reference: str = ""
    """The figure of nginx that this one is compared with; empty: the same one."""
    times_own: float = 0.0
    """Aim: at most so many times Tollway's own figure named by `reference`."""


ROWS = (
    Row("CPU per request, 1 KB", "cpu_1k", "µs", times_nginx=2.5),
    Row("  of it in user space", "user_1k", "µs"),
    Row("CPU per request, 1 KB, PostgreSQL", "pg_cpu_1k", "µs", times_own=1.15, reference="cpu_1k"),
    Row("  transactions per 1,000 requests", "pg_transactions", "", at_most=50),
    Row("  answers in 1.5 s, database frozen", "pg_frozen", "", at_least=1),
    Row("CPU per request, 100 KB", "cpu_100k", "µs", times_nginx=2.5),
    Row("requests/s on one core, 1 KB", "rate_1k", "", times_peer=80),
    Row("  that core was busy", "busy_1k", ""),
    Row("answer, one at a time, p50", "p50_us", "µs"),
    Row("  added p50", "added_p50_us", "µs"),
    Row("  added p99", "added_p99_us", "µs"),
    Row("CPU per chunk, same dialect", "cpu_chunk", "µs", times_nginx=1.5),
    Row("  of it in user space", "user_chunk", "µs"),
    Row("CPU per chunk, translated", "cpu_translated", "µs", times_nginx=2.5, reference="cpu_chunk"),
    Row("  of it in user space", "user_translated", "µs"),
    Row("time to first chunk, p50", "first_p50_us", "µs", times_nginx=2.5),
    Row("  added p50", "added_first_us", "µs"),
    Row("memory per open stream", "stream_kb", "KB", at_most=16),
    Row("1,000 streams at 50/s: chunks lost", "held_lost", "", at_most=0),
    Row("  streams that came to their end", "held_ended", "", at_least=1000),
    Row("  chunks per second", "held_rate", "", at_least=49_000),
    Row("  a chunk's way, p99", "held_p99_ms", "ms"),
    Row("start to first answer, folder in use", "start_s", "s", at_most=1.5),
    Row("start to first answer, empty folder", "start_empty_s", "s", at_most=1.5),
    Row("idle memory", "idle_mb", "MB", at_most=80),
)


class Verdict(NamedTuple):
    """How Tollway's figure stands to its aim."""

    ratio: str = ""
    aim: str = ""
    word: str = ""


def with_added(medians: Figures) -> dict[str, dict[str, float]]:
    """The figures, and what each system adds to the mock's own times."""
    found = {who: dict(figures) for who, figures in medians.items()}
    direct = found.get("direct", {})
    pairs = (("added_p50_us", "p50_us"), ("added_p99_us", "p99_us"), ("added_first_us", "first_p50_us"))
    for who, figures in found.items():
        for added, whole in pairs:
            if who != "direct" and whole in figures and whole in direct:
                figures[added] = figures[whole] - direct[whole]
    return found


def judge(row: Row, figures: Figures) -> Verdict:
    """Tollway's figure against the aim of its row; without a word when what it is compared with was not measured."""
    value = figures.get("Tollway", {}).get(row.figure)
    if value is None:
        return Verdict()
    if row.times_own:
        own = figures["Tollway"].get(row.reference)
        ratio = f"{value / own:.2f}{TIMES} SQLite" if own else ""
        return Verdict(ratio, f"≤ {row.times_own:g}{TIMES} SQLite", _word(own and value <= row.times_own * own))
    nginx = figures.get("nginx", {}).get(row.reference or row.figure)
    ratio = f"{value / nginx:.2f}{TIMES}" if nginx and not row.title.startswith("  ") else ""
    if row.times_nginx:
        return Verdict(ratio, f"≤ {row.times_nginx:g}{TIMES} nginx", _word(nginx and value <= row.times_nginx * nginx))
    if row.times_peer:
        peer = figures.get("LiteLLM", {}).get(row.figure)
        times = f" ({value / peer:.0f}{TIMES})" if peer else ""
        return Verdict(
            ratio, f"≥ {row.times_peer:g}{TIMES} LiteLLM{times}", _word(peer and value >= row.times_peer * peer)
        )
    if row.at_most is not None:
        return Verdict(ratio, f"≤ {row.at_most:g} {row.unit}".rstrip(), _word(value <= row.at_most))
    if row.at_least:
        return Verdict("", f"≥ {row.at_least:g} {row.unit}".rstrip(), _word(value >= row.at_least))
    return Verdict(ratio)


def _word(held: bool | float | None) -> str:
    return "?" if held is None else "ok" if held else "MISSED"


def table(figures: Figures) -> list[list[str]]:
    """Head and rows as words."""
    shown = [name for name in SYSTEMS if name in figures]
    lines = [["", *shown, "to nginx", "aim", ""]]
    for row in ROWS:
        cells = [_cell(figures[name].get(row.figure), row.unit) for name in shown]
        if any(cells):
            lines.append([row.title, *cells, *judge(row, figures)])
    return lines


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    places = 0 if abs(value) >= 1000 or value == int(value) else 2 if abs(value) < 10 else 1
    return f"{value:,.{places}f} {unit}".rstrip()


def plain(lines: Sequence[Sequence[str]]) -> str:
    """The table for a terminal."""
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The table for a page."""
    head, *rest = lines
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join(
        "| " + " | ".join(cell.replace("  ", "&nbsp;&nbsp;") for cell in line) + " |" for line in (head, rule, *rest)
    )


def interpreter() -> str:
    """Which Python, and how fast: how it was built cannot always be asked, but it shows."""
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    tuned = ", with PGO" if "--enable-optimizations" in flags else ""
    python = f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}{tuned}"
    return f"{python}; a million turns of an empty loop take it {min(_loop_ms() for _ in range(9)):.0f} ms"


def _loop_ms() -> float:
    began_s, turn = time.perf_counter(), 0
    while turn < 1_000_000:
        turn += 1
    return (time.perf_counter() - began_s) * 1000


def surroundings(versions: Mapping[str, str]) -> dict[str, str]:
    """The machine, the interpreter, the commit and the versions."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    model = cpu[0].partition(":")[2].strip() if cpu else platform.machine()
    return {
        "machine": f"{model}, {os.cpu_count()} cores, {memory_gb:.0f} GB, Linux {platform.release()}",
        "interpreter": interpreter(),
        "commit": _git("rev-parse", "--short", "HEAD")
        + (" with changes" if _git("status", "--porcelain", "src") else ""),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "busy before": f"{os.getloadavg()[0]:.2f} processes wished to run, on average, in the minute before",
    }


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("?" if done.returncode else "")


def write(
    about: Mapping[str, str], figures: Figures, rounds: Mapping[str, Mapping[str, list[float]]], troubles: Sequence[str]
) -> Path:
    """Two files under bench/results; the path of the page, without its end."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = RESULTS / f"{today}-{platform.python_implementation().lower()}{platform.python_version()}"
    RESULTS.mkdir(exist_ok=True)
    said = {"about": dict(about), "medians": figures, "rounds": rounds, "troubles": list(troubles)}
    path.with_name(path.name + ".json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    facts = "\n".join(f"- {name}: {fact}" for name, fact in about.items())
    page = f"# Bench of {today}\n\n{facts}\n\n{markdown(table(figures))}\n"
    path.with_name(path.name + ".md").write_text(
        page + "".join(f"\n- {trouble}" for trouble in troubles), encoding="utf-8"
    )
    return path
