"""Open Inference Protocol v2, its errors, and labels by HTTP."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway_harness import NOW, Running
from kubernetes.utils.quantity import parse_quantity
from tidemill.gateway import hot_path
from tidemill.gateway.protocol import parse_json
from tidemill.loop.model import Arm, ModelVersion, Role, Route


@pytest.fixture
def running(start: Callable[..., Running], versions: dict[str, ModelVersion]) -> Running:
    running = start()
    running.gateway.prepare("delay", versions["calm"])
    running.gateway.set_route(Route("delay", (Arm("calm", Role.CHAMPION, 1.0),)))
    return running


def tensor(name: str, data: list[Any], datatype: str = "BYTES", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


CARRIER, DISTANCE = tensor("carrier", ["UA"]), tensor("distance", [1.0], "FP64")


@pytest.mark.parametrize(
    ("inputs", "status", "says"),
    [
        ([CARRIER], 400, "'distance' is missing"),
        ([CARRIER, tensor("distance", [1.0, 2.0], "FP64")], 400, "has 2 rows"),
        ([CARRIER, tensor("distance", [1.0], "FP64", [3])], 400, "shape [3] but 1 values"),
        ([CARRIER, tensor("distance", [1.0, 2.0], "FP64", [1, 2])], 400, "[rows, 1]"),
        ([CARRIER, tensor("distance", ["far"], "FP64")], 400, "declared FP64 but holds 'far'"),
        ([CARRIER, tensor("distance", ["far"])], 400, "must be double"),
        ([CARRIER, tensor("distance", [1.0], "FP63")], 400, "datatype 'FP63'"),
        ([tensor("carrier", [7], "INT64"), DISTANCE], 400, "'carrier' must be string"),
        ([CARRIER, DISTANCE, CARRIER], 400, "twice"),
        ([CARRIER, DISTANCE, tensor("flight", [None])], 400, "has no key"),
        ([CARRIER, DISTANCE, tensor("departure", ["noon"])], 400, "ISO 8601"),
        ([tensor("carrier", []), tensor("distance", [], "FP64")], 400, "0 rows"),
        ([{"name": "carrier"}], 400, "needs name, shape, datatype and data"),
        ([], 400, "inputs"),
    ],
)
def test_a_wrong_request_is_refused_naming_what_is_wrong(running: Running, inputs: Any, status: int, says: str) -> None:
    response = running.http.post("/v2/models/delay/infer", json={"inputs": inputs})
    assert response.status_code == status
    assert says in response.json()["error"]
    assert running.rows().empty


def test_what_is_no_json_is_refused(running: Running) -> None:
    response = running.http.post("/v2/models/delay/infer", content=b"{")
    assert (response.status_code, "not valid JSON" in response.json()["error"]) == (400, True)


def test_the_worst_body_that_is_taken_fits_the_gateways_memory_limit() -> None:
    values = yaml.safe_load((Path(__file__).parents[2] / "charts/tidemill/values.yaml").read_text())
    limit = parse_quantity(values["gateway"]["resources"]["limits"]["memory"])
    many = b'{"":0},' * (hot_path.MAX_BODY // 7)
    tracemalloc.start()
    try:
        parse_json(b'{"inputs":[' + many[: hot_path.MAX_BODY - 20].rpartition(b",")[0] + b"]}")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most > hot_path.MAX_BODY
    assert most < limit / 2, f"{most >> 20} MiB"


def test_a_body_is_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_path, "MAX_BODY", 1000)
    response = running.http.post("/v2/models/delay/infer", content=b" " * 2000)
    assert (response.status_code, "MiB" in response.json()["error"]) == (413, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/none/infer", 404),
        ("POST", "/v2/models/delay/versions/9/infer", 404),
        ("GET", "/v2/models/delay/versions/9/ready", 404),
        ("GET", "/v2/models/delay/infer", 405),
        ("GET", "/nowhere", 404),
    ],
)
def test_unknown_things_are_json_errors(running: Running, method: str, path: str, status: int) -> None:
    response = running.http.request(method, path, json={"inputs": [CARRIER, DISTANCE]} if method == "POST" else None)
    assert response.status_code == status
    assert response.json()["error"]


def test_health_and_metadata_follow_the_protocol(running: Running) -> None:
    assert running.http.get("/v2").json()["name"] == "tidemill"
    assert running.http.get("/v2/health/live").json() == {"live": True}
    assert running.http.get("/v2/health/ready").status_code == 200
    assert running.http.get("/v2/models/delay/ready").json()["ready"] is True
    assert running.http.get("/v2/models/delay/versions/calm/ready").json()["ready"] is True
    metadata = running.http.get("/v2/models/delay").json()
    assert metadata["versions"] == ["calm"]
    assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]} == {
        "flight": "BYTES", "departure": "BYTES", "carrier": "BYTES", "distance": "FP64",
    }  # fmt: skip


def test_before_there_is_a_champion_the_gateway_lives_and_is_not_ready(start: Callable[..., Running]) -> None:
    empty = start()
    assert empty.http.get("/v2/health/live").status_code == 200
    assert empty.http.get("/v2/health/ready").status_code == 503
    assert empty.http.get("/v2/models/delay/ready").status_code == 503
    response = empty.infer(["a"])
    assert (response.status_code, "no champion yet" in response.json()["error"]) == (503, True)


def test_nested_data_and_keys_by_parameter_are_understood(running: Running) -> None:
    inputs = [tensor("carrier", [["UA"]], shape=[1, 1]), DISTANCE]
    running.http.post("/v2/models/delay/infer", json={"inputs": inputs, "parameters": {"key": "mine"}})
    running.http.post("/v2/models/delay/infer", json={"inputs": inputs, "id": "r7"})
    assert sorted(running.rows()["key"]) == ["mine", "r7:0"]


def test_labels_come_back_by_http(running: Running) -> None:
    def send(*outcomes: dict[str, Any]) -> Any:
        return running.http.post("/v2/models/delay/outcomes", json={"outcomes": list(outcomes)})

    first = send({"key": "a", "label": 1}, {"key": 7, "label": 0})
    assert first.json() == {"new": 2, "duplicate": 0, "conflicting": 0}
    again = send({"key": "a", "label": 0}, {"key": "7", "label": 0})
    assert again.json() == {"new": 0, "duplicate": 1, "conflicting": 1}
    wrong = send({"key": "b", "label": 1}, {"key": "c", "label": 2})
    assert (wrong.status_code, "key 'c'" in wrong.json()["error"]) == (400, True)
    missing = send({"key": "b"})
    assert (missing.status_code, "Outcome 0" in missing.json()["error"]) == (400, True)
    known = running.outcomes.known(NOW + timedelta(days=1))
    assert dict(zip(known["key"], known["label"], strict=True)) == {"a": 1.0, "7": 0.0}
