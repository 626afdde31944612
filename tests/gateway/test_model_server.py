"""One version in a process of its own: what it loads, what it says of itself, what it answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from gateway_harness import model_server, outputs
from tidemill.adapters.artifact import local_folder
from tidemill.gateway.metadata import described, fetch
from tidemill.gateway.model_server import fetch_and_load
from tidemill.loop.errors import ArtifactChanged, TemporaryError, TidemillError
from tidemill.loop.model import ModelVersion

Versions = dict[str, ModelVersion]
INPUTS = [
    {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["UA", None]},
    {"name": "distance", "shape": [2], "datatype": "FP64", "data": [500, None]},
]


@pytest.fixture
def http(versions: Versions) -> Iterator[httpx.Client]:
    server = model_server(versions["other"])
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client
    server.stop()


def test_it_answers_with_the_models_own_probabilities(http: httpx.Client) -> None:
    response = http.post("/v2/models/delay/infer", json={"inputs": INPUTS, "id": "r"})
    assert outputs(response) == {"probability": [0.9, 0.9]}
    assert (response.json()["id"], response.json()["model_version"]) == ("r", "other")


def test_it_answers_for_its_own_version_alone(http: httpx.Client) -> None:
    assert http.post("/v2/models/delay/versions/other/infer", json={"inputs": INPUTS}).status_code == 200
    for path in ("/v2/models/delay/versions/1", "/v2/models/weather"):
        response = http.post(f"{path}/infer", json={"inputs": INPUTS})
        assert response.status_code == 404
        assert "this is version other of delay" in response.json()["error"]


def test_what_the_model_needs_and_does_not_get_is_named(http: httpx.Client) -> None:
    response = http.post("/v2/models/delay/infer", json={"inputs": INPUTS[:1]})
    assert (response.status_code, "distance" in response.json()["error"]) == (400, True)


def test_its_metadata_carry_the_schema_and_the_digest(http: httpx.Client, versions: Versions) -> None:
    said = fetch(str(http.base_url), "delay", "other")
    assert said.digest == versions["other"].digest
    assert said.schema == fetch_and_load(versions["other"]).schema


def test_a_server_that_says_only_datatypes_is_believed() -> None:
    said = described({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}]})
    assert said.schema is not None
    assert [(c.name, c.type, c.required) for c in said.schema.columns] == [("x", "float", True)]
    assert said.digest is None


def test_a_folder_that_changed_is_refused_before_anything_is_unpickled(versions: Versions, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(local_folder(versions["calm"].uri), copied)
    (copied / "model.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(ArtifactChanged, match=f"{copied.as_uri()} is not what was registered"):
        fetch_and_load(replace(versions["calm"], uri=copied.as_uri()))


def test_a_folder_that_is_not_there_is_named(versions: Versions, tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="no-such"):
        fetch_and_load(replace(versions["calm"], uri=(tmp_path / "no-such").as_uri()))


def test_a_model_folder_comes_from_an_object_store(versions: Versions, tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(local_folder(versions["other"].uri)), "/models/other", recursive=True)
    loaded = fetch_and_load(replace(versions["other"], uri="memory://models/other"), tmp_path)
    assert loaded.digest == versions["other"].digest


def test_a_model_that_ends_its_process_when_loaded_does_not_load_and_says_so(versions: Versions) -> None:
    with pytest.raises(TidemillError, match="does not load: SystemExit: while it is loaded"):
        fetch_and_load(versions["exits when loaded"])


def test_what_a_warm_up_raises_is_of_no_interest(versions: Versions) -> None:
    assert fetch_and_load(versions["exits when warmed up"]).predict([[["UA"], [1.0]]]) == pytest.approx([0.5])
