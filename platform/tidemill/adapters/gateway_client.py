"""A client of the data plane over HTTP, speaking the Open Inference Protocol v2 as any user of it would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tidemill.loop.errors import TidemillError

BATCH = 1024


class GatewayClient:
    """Sends frames as batch requests of at most 1024 rows. Raises TidemillError with the gateway's own words."""

    def __init__(self, url: str, model: str, key: str, label: str, settled: Callable[[], object] | None = None) -> None:
        import httpx

        # Under a simulated clock time must stand still until shadows have answered, too.
        self._settled = settled

        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False)
        self._model, self._key, self._label = model, key, label

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Columns key, probability, version, arm: a row for each of the frame's."""
        if frame.empty:
            return pd.DataFrame({name: pd.Series(dtype="object") for name in ("key", "probability", "version", "arm")})
        parts = [self._infer(frame.iloc[at : at + BATCH]) for at in range(0, len(frame), BATCH)]
        if self._settled is not None:
            self._settled()
        return pd.concat(parts, ignore_index=True)

    def send_labels(self, labels: pd.DataFrame) -> None:
        keys, values = labels["key"].tolist(), labels["label"].tolist()
        body = {"outcomes": [{"key": key, "label": label} for key, label in zip(keys, values, strict=True)]}
        self._post(f"/v2/models/{self._model}/outcomes", body)

    def _infer(self, frame: pd.DataFrame) -> pd.DataFrame:
        body = {"inputs": [tensor(str(name), frame[name]) for name in frame.columns if name != self._label]}
        outputs = {
            output["name"]: output["data"] for output in self._post(f"/v2/models/{self._model}/infer", body)["outputs"]
        }
        return pd.DataFrame(
            {
                "key": frame[self._key].astype(str).to_numpy(),
                **{name: outputs[name] for name in ("probability", "version", "arm")},
            }
        )

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        try:
            response = self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise TidemillError(
                f"The gateway at {self._http.base_url} does not answer: {error}. Is it running?"
            ) from error
        if response.is_error:
            raise TidemillError(f"The gateway refused {path} ({response.status_code}): {response.text[:500]}")
        answer: dict[str, Any] = response.json()
        return answer

    def close(self) -> None:
        self._http.close()


def tensor(name: str, column: pd.Series[Any]) -> dict[str, Any]:
    """A column as an OIP tensor: numbers as FP64 or INT64, bools as BOOL, times as ISO text, all else as text."""
    shape = [len(column)]
    if pd.api.types.is_bool_dtype(column):
        data = [None if pd.isna(value) else bool(value) for value in column]
        return {"name": name, "shape": shape, "datatype": "BOOL", "data": data}
    if pd.api.types.is_datetime64_any_dtype(column):
        return {
            "name": name,
            "shape": shape,
            "datatype": "BYTES",
            "data": [None if pd.isna(t) else t.isoformat() for t in column],
        }
    if pd.api.types.is_integer_dtype(column):
        data = [None if pd.isna(value) else value for value in column.tolist()]
        return {"name": name, "shape": shape, "datatype": "INT64", "data": data}
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(float, na_value=np.nan)
        # JSON has no infinity either.
        data = [value if finite else None for value, finite in zip(values.tolist(), np.isfinite(values), strict=True)]
        return {"name": name, "shape": shape, "datatype": "FP64", "data": data}
    return {"name": name, "shape": shape, "datatype": "BYTES", "data": [None if pd.isna(v) else str(v) for v in column]}
