"""What the books cost: microseconds of a hold and settle on the loop, and of each call in the batch writer."""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tollway.backends import sql
from tollway.core.caller import Payer
from tollway.core.ids import CallId, ChannelId, KeyId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Attempt, PriceLine, Reason, Receipt
from tollway.core.usage import Usage
from tollway.gateway.ledger.audit import audit
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.ledger.writer import BATCH
from tollway.kit.uuid7 import uuid7

USER = UserId("usr_0198f2aa11d97ccc8f2a")
PAYER = Payer(USER)
FIRST = CallId(f"req_{uuid7()}")
CEILING = NanoUsd(2_000_000)


class SystemClock:
    """The real time."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()


def receipt(call: CallId, now_s: float) -> Receipt:
    """A receipt as an ordinary call leaves it."""
    return Receipt(
        id=call,
        user=USER,
        key=KeyId("key_0198f2aa11d97ccc8f2a"),
        reason=Reason.COMPLETED,
        surface="openai_chat",
        model="gpt-4o-mini",
        asked="gpt-4o-mini",
        stream=False,
        started_at_s=now_s,
        duration_ms=412,
        first_byte_ms=220,
        attempts=(Attempt(ChannelId("openai"), "openai", "gpt-4o-mini-2024-07-18", 200, "", 1, 219),),
        usage=Usage(input_total=312, cache_read=128, output_total=96),
        lines=(
            PriceLine("input", 184, "0.15"),
            PriceLine("cache_read", 128, "0.075"),
            PriceLine("output", 96, "0.60"),
        ),
        price_version="2026-11-01",
        hold_nano_usd=CEILING,
        provider_cost_nano_usd=NanoUsd(95_000),
        charge_nano_usd=NanoUsd(133_000),
    )


async def measure(calls: int, rounds: int, folder: Path) -> None:
    """Run `rounds` times `calls` calls and print the medians."""
    database = sql.open("sqlite://", folder)
    await database.migrate()
    ledger = Ledger(database, folder, SystemClock())
    await ledger.start()
    await ledger.grant(USER, NanoUsd(10**15), "topup", "bench", "bench")
    (await ledger.hold(PAYER, NanoUsd(10**9), FIRST)).release(receipt(FIRST, time.time()))
    on_loop, on_cpu, off_loop, off_cpu = [], [], [], []
    for _ in range(rounds):
        made = [receipt(CallId(f"req_{uuid7()}"), time.time()) for _ in range(calls)]
        await ledger.flush()
        gc.collect()
        began, cpu = time.perf_counter(), time.thread_time()
        for each in made:
            hold = ledger.try_hold(PAYER, CEILING, each.id)
            if hold is None:
                raise RuntimeError("the lease ran dry")
            hold.settle(each)
        on_loop.append((time.perf_counter() - began) / calls * 1e6)
        on_cpu.append((time.thread_time() - cpu) / calls * 1e6)
        began, cpu = time.perf_counter(), time.process_time()
        await ledger.flush()
        off_loop.append((time.perf_counter() - began) / calls * 1e6)
        off_cpu.append((time.process_time() - cpu) / calls * 1e6)
    differences = await database.read(audit)
    await ledger.close()
    await database.close()
    print(f"{rounds} rounds of {calls} calls, batches of {BATCH}; medians (best), µs per call")
    show("hold + settle on the loop", on_loop)
    show("hold + settle, CPU", on_cpu)
    show("batch writer, wall", off_loop)
    show("batch writer, CPU", off_cpu)
    print("audit:", differences or "exact")


def show(what: str, figures: Sequence[float]) -> None:
    """One line of the table."""
    print(f"  {what:28} {statistics.median(figures):7.2f} ({min(figures):.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_folder:
        asyncio.run(measure(options.calls, options.rounds, Path(made_folder)))
