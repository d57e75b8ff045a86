"""`python -m bench.history`: a hub with a million receipts, on SQLite and on PostgreSQL."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.history.run import run


def main() -> int:
    """0 when everything is as the issue asks."""
    options = argparse.ArgumentParser(prog="bench.history")
    options.add_argument("--receipts", type=int, default=1_000_000)
    options.add_argument("--users", type=int, default=300)
    options.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    asked = options.parse_args()
    wrong = []
    for kind in ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]:
        with tempfile.TemporaryDirectory(prefix="tollway-history-") as folder:
            found = run(kind, asked.receipts, asked.users, Path(folder))
        print(f"{kind}, {asked.receipts:,} receipts", *found.lines, sep="\n", flush=True)
        wrong += found.wrong + found.slow
    for problem in wrong:
        print(f"NOT MET  {problem}")
    print("not everything is as it should be" if wrong else "everything is as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
