from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidemill.adapters.gateway_client import BATCH, GatewayClient, tensor
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.gateway.server import Gateway
from tidemill.loop.errors import TidemillError
from tidemill.loop.model import Arm, ModelVersion, Role, Route
from tidemill.loop.turn.artifact import digest, save
from tidemill.spec.model_loop import ModelLoop
from turn_world import START, document, rows_of


class StillClock:
    def now(self) -> datetime:
        return START


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, SqliteOutcomes]]:
    import cloudpickle
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    folder = tmp_path_factory.mktemp("gateway")
    rows = rows_of(0)
    inputs = rows[["x", "z"]]
    model = make_pipeline(make_column_transformer(("passthrough", ["x", "z"])), LogisticRegression())
    save(folder / "model", cloudpickle.dumps(model.fit(inputs, rows["y"])), inputs)
    loop = ModelLoop.model_validate(document("m", serving={"timeout": "5s"}))
    outcomes = SqliteOutcomes(folder)
    gateway = Gateway({"tiny": loop}, ParquetPredictionLog(folder / "log"), outcomes, StillClock())
    gateway.start()
    version = ModelVersion("1", (folder / "model").as_uri(), digest(folder / "model"), "t")
    assert gateway.prepare("tiny", version).ready
    gateway.set_route(Route("tiny", (Arm("1", Role.CHAMPION, 1.0),)))
    yield gateway, outcomes
    gateway.stop()


@pytest.fixture
def client(world: tuple[Gateway, SqliteOutcomes]) -> Iterator[GatewayClient]:
    made = GatewayClient(world[0].url, "tiny", "id", "y", settled=lambda: world[0].drain(10))
    yield made
    made.close()


def test_a_day_of_more_than_one_request_is_answered_row_by_row_in_order(client: GatewayClient) -> None:
    frame = pd.concat([rows_of(day) for day in range(BATCH // 60 + 2)], ignore_index=True)
    assert len(frame) > BATCH
    answers = client.predict(frame)
    assert answers["key"].tolist() == frame["id"].tolist()
    assert answers["probability"].between(0, 1).all()
    assert np.corrcoef(answers["probability"], frame["x"])[0, 1] > 0.9
    assert set(answers["version"]) == {"1"}
    assert set(answers["arm"]) == {"champion"}


def test_a_day_without_rows_has_answers_without_rows(client: GatewayClient) -> None:
    answers = client.predict(rows_of(0).head(0))
    assert list(answers.columns) == ["key", "probability", "version", "arm"]
    assert answers.empty


def test_labels_arrive(client: GatewayClient, world: tuple[Gateway, SqliteOutcomes]) -> None:
    client.send_labels(pd.DataFrame({"key": ["a", "b"], "label": [1.0, 0.0]}))
    assert set(world[1].known(datetime.now(UTC))["key"]) == {"a", "b"}


def test_a_refusal_is_told_in_the_gateways_words(client: GatewayClient) -> None:
    with pytest.raises(TidemillError, match=r"refused /v2/models/tiny/infer \(400\).*x"):
        client.predict(rows_of(0).drop(columns="x"))
    with pytest.raises(TidemillError, match=r"outcomes \(400\)"):
        client.send_labels(pd.DataFrame({"key": ["a"], "label": [7.0]}))


def test_nobody_there_is_told() -> None:
    client = GatewayClient("http://127.0.0.1:9", "tiny", "id", "y")
    with pytest.raises(TidemillError, match="does not answer"):
        client.predict(rows_of(0))
    client.close()


@pytest.mark.parametrize(
    ("column", "datatype", "data"),
    [
        (pd.Series([1, 2]), "INT64", [1, 2]),
        (pd.Series([1, None], dtype="Int64"), "INT64", [1, None]),
        (pd.Series([1.5, None, np.inf]), "FP64", [1.5, None, None]),
        (pd.Series([True, False]), "BOOL", [True, False]),
        (pd.Series([True, None], dtype="boolean"), "BOOL", [True, None]),
        (pd.Series(["a", None]), "BYTES", ["a", None]),
        (pd.Series([1.0, None], dtype="Float64"), "FP64", [1.0, None]),
        (pd.Series(pd.to_datetime([START, None])), "BYTES", ["2020-01-01T00:00:00+00:00", None]),
    ],
)
def test_a_column_is_a_tensor_with_null_for_what_is_missing(column: Any, datatype: str, data: list[Any]) -> None:
    found = tensor("c", column)
    assert found == {"name": "c", "shape": [len(column)], "datatype": datatype, "data": data}
