"""What it costs to ask a model server over HTTP: Tidemill's connection pool beside httpx and aiohttp.

    python bench/remote_scoring.py [--seconds 3] [--concurrency 1 16]

One model server in a process of its own, one row of 12 columns a request, on loopback. The clients do what the gateway
needs of them: post a body, keep connections alive, give the answer's bytes back. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import numpy as np

COLUMNS = [f"x{number}" for number in range(12)]
PATH = "/v2/models/bench/versions/1/infer"
Post = Callable[[], Awaitable[object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command, digest = make_model(Path(folder))
        started = subprocess.Popen([*command, "--digest", digest], stdout=subprocess.PIPE, text=True)
        assert started.stdout is not None
        try:
            url = started.stdout.readline().partition(" at ")[2].partition("/v2")[0].strip()
            results = {
                str(n): {name: measure(name, url, n, options.seconds) for name in ("tidemill", "aiohttp", "httpx")}
                for n in options.concurrency
            }
        finally:
            started.kill()
    print(json.dumps(results, indent=2))


def measure(name: str, url: str, concurrency: int, seconds: float) -> dict[str, float]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        times = runner.run(_measure(name, url, concurrency, seconds))
    return {
        "requests_per_second": round(len(times) / seconds),
        "p50_ms": round(float(np.percentile(times, 50)) * 1000, 2),
        "p99_ms": round(float(np.percentile(times, 99)) * 1000, 2),
    }


async def _measure(name: str, url: str, concurrency: int, seconds: float) -> list[float]:
    body = json.dumps(
        {"inputs": [{"name": c, "shape": [1], "datatype": "FP64", "data": [0.5]} for c in COLUMNS]}
    ).encode()
    times: list[float] = []

    async def ask(post: Post, end: float) -> None:
        while (start := perf_counter()) < end:
            await post()
            times.append(perf_counter() - start)

    async def run(post: Post) -> list[float]:
        for length in (0.5, seconds):
            times.clear()
            end = perf_counter() + length
            await asyncio.gather(*(ask(post, end) for _ in range(concurrency)))
        return times

    if name == "tidemill":
        from tidemill.gateway.http_pool import Pool

        pool = Pool(url, 64)
        return await run(lambda: pool.post(PATH, body))
    if name == "httpx":
        import httpx

        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            return await run(lambda: client.post(PATH, content=body))
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

        async def post() -> bytes:
            async with session.post(url + PATH, data=body) as response:
                return await response.read()

        return await run(post)


def make_model(folder: Path) -> tuple[list[str], str]:
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.ensemble import HistGradientBoostingClassifier
    from tidemill.adapters.artifact import digest

    X = pd.DataFrame(np.random.default_rng(0).normal(size=(5000, len(COLUMNS))), columns=COLUMNS)
    model = HistGradientBoostingClassifier(random_state=0).fit(X, X["x0"] > 0)
    mlflow.sklearn.save_model(
        model,
        str(folder / "model"),
        signature=infer_signature(X.head()),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    uri = (folder / "model").as_uri()
    code = "from tidemill.cli.main import main; main()"
    command = [sys.executable, "-c", code, "model-server", "--uri", uri, "--version", "1", "--loop", "bench",
               "--host", "127.0.0.1", "--port", "0"]  # fmt: skip
    return command, digest(folder / "model")


if __name__ == "__main__":
    main()
