"""The data plane without HTTP: the same split, mirror and correction, on whole frames, for backtests.

It serves as the loop's Serving port and as its client at once. Everything succeeds and takes no time: what a backtest
asks is which model should have answered, not whether a network holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters.memory_stores import MemoryPredictionLog
from tidemill.loop.errors import NotReady, TidemillError
from tidemill.loop.model import Arm, ModelVersion, Readiness, Role, Route
from tidemill.loop.ports import Clock, Outcomes
from tidemill.spec.model_loop import Data
from tidemill.stats.calibration import apply

from .split import mirrored, split
from .units import units
from .user_code import failure


class InlineDataPlane:
    """`load` gives a version's estimator, with `predict_proba` on a frame of everything but key and label."""

    def __init__(
        self,
        data: Data,
        log: MemoryPredictionLog,
        outcomes: Outcomes,
        clock: Clock,
        load: Callable[[ModelVersion], Any],
    ) -> None:
        self._data, self._log, self._outcomes, self._clock, self._load = data, log, outcomes, clock, load
        self._models: dict[str, Any] = {}
        self._route: Route | None = None

    # Serving

    def prepare(self, version: ModelVersion) -> Readiness:
        if version.version not in self._models:
            self._models[version.version] = self._load(version)
        return Readiness(True)

    def set_route(self, route: Route) -> None:
        for arm in route.arms:
            if arm.version not in self._models:
                raise NotReady(f"Version {arm.version} of {route.loop} was never prepared. Prepare it first.")
        self._route = route

    def route(self, loop: str) -> Route | None:
        return self._route

    # client

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self._route is None:
            raise NotReady("There is no route yet: the first turn was not accepted.")
        keys = frame[self._data.key].astype(str).tolist()
        answers = pd.DataFrame({"key": keys, "probability": np.nan, "version": "", "arm": ""})
        for arm, rows in split(self._route, keys):
            served = self._score(arm, frame, keys, rows, served=True)
            self._log.append_frame(served)
            answers.loc[rows, "probability"] = served["score"].to_numpy()
            answers.loc[rows, ["version", "arm"]] = [arm.version, str(arm.role)]
            for other in self._route.arms:
                if other is not arm and (unseen := mirrored(other, keys, rows)):
                    self._log.append_frame(self._score(other, frame, keys, unseen, served=False))
        return answers

    def send_labels(self, labels: pd.DataFrame) -> None:
        self._outcomes.record(labels, self._clock.now(), "backtest")

    def _predict(self, version: str, inputs: pd.DataFrame) -> np.ndarray[Any, Any]:
        try:
            return np.asarray(self._models[version].predict_proba(inputs), dtype=float)[:, 1]
        except SystemExit as error:  # it would end the backtest as if all were well
            raise TidemillError(f"Version {version} ended the backtest: {failure(error)}. Fix its model.") from error

    def _score(self, arm: Arm, frame: pd.DataFrame, keys: list[str], rows: list[int], served: bool) -> pd.DataFrame:
        part = frame.iloc[rows]
        inputs = part.drop(columns=[self._data.key, self._data.label.column], errors="ignore")
        raw = self._predict(arm.version, inputs)
        calibrator = arm.calibrator
        score = raw if calibrator is None else apply(raw, calibrator.intercept, calibrator.slope)
        return pd.DataFrame(
            {
                "request_id": "inline",
                "key": [keys[row] for row in rows],
                "event_time": pd.to_datetime(part[self._data.event_time], utc=True).array,
                "at": pd.Timestamp(self._clock.now()),
                "version": arm.version,
                # As the gateway logs them: what nobody saw is a shadow's, whatever its version answers otherwise.
                "role": str(arm.role if served else Role.SHADOW),
                "served": served,
                "status": "ok",
                "raw": raw,
                "score": score,
                "calibrator": None if calibrator is None else calibrator.id,
                "fallback": served and arm.stands_in_for is not None,
                "latency_ms": 0.0,
                "weight": arm.weight if served else 0.0,
                "unit": self._units(part),
            }
        )

    def _units(self, part: pd.DataFrame) -> np.ndarray[Any, Any]:
        column = None if self._route is None else self._route.unit
        found: list[str | None] = [None] * len(part)
        if column in part:
            values = part[column].astype(object)
            found = units(values.where(values.notna(), None))
        return np.array(found, dtype=object)
