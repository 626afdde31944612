"""A gateway on a loopback port, with a real log and real outcomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.gateway.listening import Listener
from tidemill.gateway.model_server import ModelServer, fetch_and_load
from tidemill.gateway.server import Gateway
from tidemill.loop.model import ModelVersion, Readiness
from tidemill.loop.ports import Clock
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

    def __init__(self, folder: Path, timeout: str, remote: bool = False, clock: Clock | None = None) -> None:
        self._remote = remote
        self._servers: dict[str, Listener] = {}
        self.clock = clock or StillClock()
        self.log = ParquetPredictionLog(folder / "predictions")
        self.outcomes = SqliteOutcomes(folder / "outcomes")
        self.gateway = Gateway({"delay": loop(timeout)}, self.log, self.outcomes, self.clock)
        self.gateway.start()
        self.http = httpx.Client(base_url=self.gateway.url, trust_env=False, timeout=30)

    def prepare(self, version: ModelVersion) -> Readiness:
        """In this process; or a model server of its own is started for it."""
        if not self._remote:
            return self.gateway.prepare("delay", version)
        if version.version not in self._servers:
            self._servers[version.version] = model_server(version)
        return self.gateway.prepare("delay", version, self._servers[version.version].url)

    def stop_server(self, name: str) -> int:
        """The port that it had."""
        server = self._servers.pop(name)
        server.stop()
        return int(server.url.rsplit(":", 1)[1])

    def restart(self, name: str, version: ModelVersion) -> None:
        """Another model server at the address of the one that served `name`."""
        self._servers[name] = model_server(version, port=self.stop_server(name))

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
        for server in self._servers.values():
            server.stop()


def model_server(version: ModelVersion, name: str = "delay", port: int = 0) -> Listener:
    listener = Listener("127.0.0.1", port, keep_alive=75)
    listener.start(ModelServer(name, fetch_and_load(version)))
    return listener


def outputs(response: httpx.Response) -> dict[str, list[Any]]:
    assert response.status_code == 200, response.text
    return {output["name"]: output["data"] for output in response.json()["outputs"]}
