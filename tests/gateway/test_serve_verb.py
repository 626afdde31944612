"""`tidemill serve` as a person starts it: a process, a route from disk, an answer, a clean end."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.adapters.route_file import RouteFile
from tidemill.loop.model import Arm, ModelVersion, Role, Route

LOOP = """\
apiVersion: tidemill.dev/v1alpha1
kind: ModelLoop
metadata: {name: delay}
spec:
  model: {task: binary-classification, trainer: "math:sqrt", baseline: "math:sqrt"}
  data:
    source: {csv: data/}
    key: flight
    eventTime: departure
    label: {column: late}
  serving: {timeout: 5s}
"""


def test_a_stored_route_is_served_by_a_process_of_its_own(versions: dict[str, ModelVersion], tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").write_text(LOOP)
    (tmp_path / "data").mkdir()
    aside = tmp_path / ".tidemill" / "predictions" / "wal" / "1-hit.damaged"
    aside.parent.mkdir(parents=True)
    aside.write_text("{ no\n{ neither\n")
    routes = RouteFile(tmp_path / ".tidemill" / "routes")
    routes.add("delay", versions["real"])
    routes.set(Route("delay", (Arm("real", Role.CHAMPION, 1.0),)))
    command = [
        sys.executable,
        "-c",
        "from tidemill.cli.main import main; main()",
        "serve",
        str(tmp_path),
        "--port",
        "0",
    ]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        _ask_and_stop(started)
    finally:
        started.kill()
        started.wait()
    log = ParquetPredictionLog(tmp_path / ".tidemill" / "predictions")
    assert log.read(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))["key"].tolist() == ["UA1"]


def _ask_and_stop(started: subprocess.Popen[str]) -> None:
    assert started.stdout is not None
    said = []
    for line in started.stdout:
        said.append(line)
        if " answers at " in line:
            break
    assert " answers at " in said[-1], "".join(said)
    url = said[-1].split(" answers at ")[1].strip()
    inputs = [
        {"name": "flight", "shape": [1], "datatype": "BYTES", "data": ["UA1"]},
        {"name": "departure", "shape": [1], "datatype": "BYTES", "data": ["2013-03-01T12:00:00Z"]},
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "distance", "shape": [1], "datatype": "FP64", "data": [500]},
    ]
    response = httpx.post(url, json={"inputs": inputs}, trust_env=False, timeout=30)
    metrics = httpx.get(f"{url.split('/v2/')[0]}/metrics", trust_env=False, timeout=30).text
    started.send_signal(signal.SIGTERM)
    assert started.wait(20) == 0
    assert response.json()["model_version"] == "real"
    assert "tidemill_prediction_log_damaged 2.0" in metrics
