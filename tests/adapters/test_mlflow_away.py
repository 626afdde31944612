"""A registry that does not answer: nothing is taken for gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tidemill.adapters.mlflow_registry import MlflowRegistry
from tidemill.loop.errors import TemporaryError, TidemillError

ASKED: dict[str, Callable[[MlflowRegistry], object]] = {
    "get": lambda registry: registry.get("loop", "1"),
    "aliases": lambda registry: registry.aliases("loop"),
    "versions": lambda registry: registry.versions("loop"),
    "set_alias": lambda registry: registry.set_alias("loop", "champion", "1"),
    "run": lambda registry: registry.run("loop", "t1", {}),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_server_that_is_away_is_asked_again_later(
    asked: Callable[[MlflowRegistry], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TemporaryError, match=r"MLflow does not answer: .*the next tick asks again"):
        asked(MlflowRegistry("http://127.0.0.1:9", tmp_path))


def test_a_damaged_store_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(TidemillError, match=r"MLflow's store .*mlflow\.db cannot be read: .*restore a copy"):
        MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path).aliases("loop")
