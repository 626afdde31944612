"""Tidemill's data plane with one model, as `tidemill serve` runs it: every prediction is logged to disk.

python ours.py MODEL HOME PORT
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tidemill.adapters.artifact import digest
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.adapters.system_clock import SystemClock
from tidemill.gateway.server import Gateway
from tidemill.loop.model import Arm, ModelVersion, Role, Route
from tidemill.spec.model_loop import ModelLoop

STOP = {signal.SIGTERM, signal.SIGINT}
LOOP = {
    "apiVersion": "tidemill.dev/v1alpha1",
    "kind": "ModelLoop",
    "metadata": {"name": "bench"},
    "spec": {
        "model": {"task": "binary-classification", "trainer": "m:train", "baseline": "m:baseline"},
        "data": {"source": {"parquet": "data/"}, "key": "key", "eventTime": "time", "label": {"column": "y"}},
        "serving": {"timeout": "5s"},
    },
}


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    model, home, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    log, outcomes = ParquetPredictionLog(home / "predictions"), SqliteOutcomes(home / "outcomes")
    gateway = Gateway({"bench": ModelLoop.model_validate(LOOP)}, log, outcomes, SystemClock(), port=port)
    readiness = gateway.prepare("bench", ModelVersion("1", model.as_uri(), digest(model), "bench"))
    assert readiness.ready, readiness.message
    gateway.set_route(Route("bench", (Arm("1", Role.CHAMPION, 1.0),)))
    gateway.start()
    signal.sigwait(STOP)
    gateway.stop()


if __name__ == "__main__":
    main()
