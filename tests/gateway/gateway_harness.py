"""A gateway on a loopback port, with a real log and real outcomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from tidemill.adapters.outcomes import SqliteOutcomes
from tidemill.adapters.prediction_log import ParquetPredictionLog
from tidemill.gateway.server import Gateway
from tidemill.spec.model_loop import ModelLoop

NOW = datetime(2013, 3, 1, 12, tzinfo=UTC)


def loop(timeout: str = "5s", name: str = "delay") -> ModelLoop:
    return ModelLoop.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "ModelLoop",
            "metadata": {"name": name},
            "spec": {
                "model": {"task": "binary-classification", "trainer": "m:train", "baseline": "m:baseline"},
                "data": {
                    "source": {"parquet": "data/"},
                    "key": "flight",
                    "eventTime": "departure",
                    "label": {"column": "late"},
                },
                "serving": {"timeout": timeout},
            },
        }
    )


class StillClock:
    def now(self) -> datetime:
        return NOW


class Running:
    """A started gateway and what stands behind it."""

    def __init__(self, folder: Path, timeout: str) -> None:
        self.clock = StillClock()
        self.log = ParquetPredictionLog(folder / "predictions")
        self.outcomes = SqliteOutcomes(folder / "outcomes")
        self.gateway = Gateway({"delay": loop(timeout)}, self.log, self.outcomes, self.clock)
        self.gateway.start()
        self.http = httpx.Client(base_url=self.gateway.url, trust_env=False, timeout=30)

    def infer(self, keys: list[str], path: str = "/v2/models/delay/infer", **more: Any) -> httpx.Response:
        n = len(keys)
        inputs = [
            {"name": "flight", "shape": [n], "datatype": "BYTES", "data": keys},
            {"name": "carrier", "shape": [n], "datatype": "BYTES", "data": more.pop("carrier", ["UA"] * n)},
            {"name": "distance", "shape": [n], "datatype": "FP64", "data": [500.0] * n},
        ]
        return self.http.post(path, json={"inputs": inputs, **more})

    def rows(self) -> pd.DataFrame:
        assert self.gateway.drain(20)
        return self.log.read(NOW - timedelta(days=1), NOW + timedelta(days=1))

    def metric(self, name: str) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def close(self) -> None:
        self.http.close()
        self.gateway.stop()


def outputs(response: httpx.Response) -> dict[str, list[Any]]:
    assert response.status_code == 200, response.text
    return {output["name"]: output["data"] for output in response.json()["outputs"]}
