"""How long `tidemill --help` takes: the median of N fresh processes, beside a Python that does nothing.

    .venv/bin/python bench/help_time.py [--runs 20]

Prints JSON. The promise is < 150 ms (DESIGN: `--help` never pays for what a verb needs).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROMISE_MS = 150
TIDEMILL = [str(Path(sys.executable).parent / "tidemill"), "--help"]
BARE = [sys.executable, "-c", "pass"]
# As on a user's machine, where Python keeps what it compiled.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def milliseconds(command: list[str], runs: int) -> list[float]:
    """Wall time of each run, after two that warm the disk's cache."""
    times = []
    for run in range(runs + 2):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        if run >= 2:
            times.append((time.perf_counter() - start) * 1000)
    return times


def measure(runs: int) -> dict[str, float]:
    """Median and fastest, in milliseconds, and the same of a Python that does nothing."""
    ours, bare = milliseconds(TIDEMILL, runs), milliseconds(BARE, runs)
    return {
        "promise_ms": PROMISE_MS,
        "median_ms": round(statistics.median(ours), 1),
        "fastest_ms": round(min(ours), 1),
        "bare_python_median_ms": round(statistics.median(bare), 1),
        "runs": runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    print(json.dumps(measure(parser.parse_args().runs), indent=2))
