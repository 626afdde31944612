"""Tidemill's data plane beside MLServer 1.7, serving the same scikit-learn model on this machine.

    python bench/gateway.py [--seconds 10] [--rounds 3] [--connections 16] [--output FILE]

Both get single-row requests on loopback from the same generator, in turns, each server in a process of its own, the
other one idle. Tidemill does all it does in production: 12 named columns, sticky split, log of every prediction on
disk. MLServer has its scikit-learn runtime and one 12-wide tensor, which is the fastest way to it; once as it comes,
once with adaptive batching; with one OpenMP thread, without which it is slower still. Nothing is logged there.
MLServer's environment is made on the first run from constraints/mlserver.txt, in build/.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "build" / "mlserver-venv"
HERE = Path(__file__).resolve().parent / "gateway_peer"
COLUMNS = [f"x{number}" for number in range(12)]
ROWS = 2000
# max_batch_time in seconds: long enough to gather what 16 connections send, short enough not to cost more than it saves
BATCHING = {"max_batch_size": 16, "max_batch_time": 0.002}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    make_peer()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        make_models(work)
        ours, theirs = make_bodies(work)
        [port] = free_ports(1)
        stack.enter_context(
            process([sys.executable, str(HERE / "ours.py"), str(work / "model"), str(work / "home"), str(port)], work)
        )
        targets = {"tidemill": (f"http://127.0.0.1:{port}/v2/models/bench", ours)}
        for name, extra in (("mlserver", {}), ("mlserver, batching", BATCHING)):
            url = stack.enter_context(mlserver(work, name.replace(", ", "-"), extra))
            targets[name] = (url, theirs)
        results = measure(targets, options)
    report(results, options.output)


def measure(targets: dict[str, tuple[str, Path]], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    for url, bodies in targets.values():
        wait_ready(f"{url}/ready")
        load(f"{url}/infer", bodies, 2.0, options.connections)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
    for number in range(options.rounds):
        for name, (url, bodies) in targets.items():
            run = load(f"{url}/infer", bodies, options.seconds, options.connections)
            assert not run["failures"], f"{name}: {run['failures']} of {run['requests']} requests failed"
            runs[name].append(run)
            print(f"round {number + 1}  {line(name, run)}", flush=True)
    figures = ("requests_per_second", "p50_ms", "p99_ms")
    return {name: {f: statistics.median(run[f] for run in of) for f in figures} for name, of in runs.items()}


def report(results: dict[str, dict[str, float]], output: Path | None) -> None:
    ours = results["tidemill"]
    print("\nmedian of the rounds")
    for name, run in results.items():
        print(line(name, run))
    ratios = {
        name: {
            "requests_per_second": ours["requests_per_second"] / run["requests_per_second"],
            "p50": run["p50_ms"] / ours["p50_ms"],
            "p99": run["p99_ms"] / ours["p99_ms"],
        }
        for name, run in results.items()
        if name != "tidemill"
    }
    for name, ratio in ratios.items():
        print(
            f"tidemill against {name}: {ratio['requests_per_second']:.1f} times the requests per second, "
            f"{ratio['p50']:.1f} times shorter p50, {ratio['p99']:.1f} times shorter p99"
        )
    if output is not None:
        output.write_text(json.dumps({"results": results, "tidemill_ahead": ratios}, indent=2))


def line(name: str, run: dict[str, float]) -> str:
    rate, p50, p99 = run["requests_per_second"], run["p50_ms"], run["p99_ms"]
    return f"{name:<20} {rate:8.0f} req/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms"


def load(url: str, bodies: Path, seconds: float, connections: int) -> dict[str, float]:
    command = [sys.executable, str(HERE / "load.py"), url, str(bodies), str(seconds), str(connections)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def make_peer() -> None:
    """uv where it is installed, else venv and pip."""
    python = PEER / "bin" / "python"
    if (PEER / "made").exists():
        return
    requirements = str(ROOT / "constraints" / "mlserver.txt")
    uv = Path(sys.executable).parent / "uv"
    if uv.exists():
        subprocess.run([uv, "venv", "--clear", "--python", sys.executable, PEER], check=True)
        subprocess.run([uv, "pip", "install", "--python", python, "-r", requirements], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", "--clear", PEER], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    (PEER / "made").touch()


def make_models(work: Path) -> None:
    """The same estimator twice: fitted on named columns for us, on a plain array for MLServer, as each is given."""
    import joblib
    import mlflow.sklearn
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(20_000, len(COLUMNS))), columns=COLUMNS)
    y = (X["x0"] + X["x1"] * X["x2"] + random.normal(size=len(X)) > 0).astype(int)

    def fitted(values: Any) -> Any:
        return make_pipeline(StandardScaler(), HistGradientBoostingClassifier(random_state=0)).fit(values, y)

    joblib.dump(fitted(X.to_numpy()), work / "model.joblib")
    mlflow.sklearn.save_model(
        fitted(X),
        str(work / "model"),
        signature=infer_signature(X.head()),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )


def make_bodies(work: Path) -> tuple[Path, Path]:
    import numpy as np

    rows = np.random.default_rng(1).normal(size=(ROWS, len(COLUMNS))).tolist()
    named, wide = [], []
    for number, row in enumerate(rows):
        columns = [
            {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
            for name, value in zip(COLUMNS, row, strict=True)
        ]
        key = {"name": "key", "shape": [1], "datatype": "BYTES", "data": [f"k{number}"]}
        named.append(json.dumps({"inputs": [key, *columns]}))
        tensor = {"name": "predict", "shape": [1, len(row)], "datatype": "FP64", "data": row}
        wide.append(json.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}))
    (work / "ours").write_text("\n".join(named))
    (work / "theirs").write_text("\n".join(wide))
    return work / "ours", work / "theirs"


@contextmanager
def mlserver(work: Path, name: str, extra: dict[str, Any]) -> Iterator[str]:
    folder = work / name
    folder.mkdir()
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "debug": False, **ports}))
    model = {"name": "bench", "implementation": "mlserver_sklearn.SKLearnModel",
             "parameters": {"uri": str(work / "model.joblib")}, **extra}  # fmt: skip
    (folder / "model-settings.json").write_text(json.dumps(model))
    with process([str(PEER / "bin" / "mlserver"), "start", str(folder)], folder, OMP_NUM_THREADS="1"):
        yield f"http://127.0.0.1:{ports['http_port']}/v2/models/bench"


@contextmanager
def process(command: list[str], folder: Path, **environment: str) -> Iterator[None]:
    """Ends the process and all that it started; shows its last words where something went wrong meanwhile."""
    log = folder / "log"
    with log.open("w") as file:
        started = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,  # MLServer leaves files where it stands
            start_new_session=True,
            env={**os.environ, **environment},
        )
        try:
            yield
        except BaseException:
            print(f"--- {command[0]}:\n{log.read_text()[-3000:]}", file=sys.stderr)
            raise
        finally:
            started.terminate()
            try:
                started.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
                started.wait()


def wait_ready(url: str, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def free_ports(n: int) -> list[int]:
    """Held all at once, so that they differ."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(n)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


if __name__ == "__main__":
    main()
