"""What it costs a fresh process to import modules: resident memory and seconds, each set of modules by itself.

    bench/import_memory.py kubernetes.config kopf tidemill.adapters.kubernetes.api,httpx

The median of five processes each. `-MODULE` in a set hides a module, as if it were not installed: `kopf,-kubernetes`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

RUNS = 5
PROGRAM = """
import importlib, pathlib, sys, time
def resident():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20
before, began = resident(), time.perf_counter()
for name in sys.argv[1].split(","):
    if name.startswith("-"):
        sys.modules[name[1:]] = None
for name in sys.argv[1].split(","):
    if not name.startswith("-"):
        importlib.import_module(name)
print(resident() - before, time.perf_counter() - began)
"""


def measured(modules: str) -> tuple[float, float]:
    """Mebibytes and seconds."""
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM, modules], check=True, capture_output=True, text=True).stdout
        for _ in range(RUNS)
    ]
    mebibytes, seconds = zip(*(map(float, run.split()) for run in runs), strict=True)
    return statistics.median(mebibytes), statistics.median(seconds)


def main() -> None:
    for modules in sys.argv[1:]:
        mebibytes, seconds = measured(modules)
        print(f"{mebibytes:6.1f} MiB {seconds:5.2f} s  {modules}")


if __name__ == "__main__":
    main()
