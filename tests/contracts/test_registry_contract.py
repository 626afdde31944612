"""What every registry does, whichever it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machine_servers import BUCKET, mlflow_server, store
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.adapters.mlflow_registry import MlflowRegistry
from tidemill.loop.errors import VersionUnknown
from tidemill.loop.model import ModelVersion
from tidemill.loop.ports import Registry
from tidemill.loop.turn.artifact import digest

Register = Callable[..., ModelVersion]
_NUMBER = itertools.count(1)


@pytest.fixture(scope="module", params=["mlflow", "mlflow-server", "memory"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if request.param == "memory":
        yield MemoryRegistry()
        return
    home = tmp_path_factory.mktemp("home")
    if request.param == "mlflow":
        yield MlflowRegistry(f"sqlite:///{home}/mlflow.db", home / "artifacts")
        return
    with store(), mlflow_server(home) as port:  # which takes no folder of this machine for a model's files
        yield MlflowRegistry(f"http://127.0.0.1:{port}", f"s3://{BUCKET}/registry")


@pytest.fixture
def name() -> str:
    return f"loop-{next(_NUMBER)}"


@pytest.fixture
def register(registry: Registry, name: str, tmp_path: Path) -> Register:
    def register(turn: str, **tags: str) -> ModelVersion:
        folder = tmp_path / f"made-{next(_NUMBER)}"
        folder.mkdir()
        (folder / "model.pkl").write_text(f"{turn} {sorted(tags.items())} {folder.name}")
        named = {f"tidemill.{key}": value for key, value in tags.items()}
        return registry.register(name, folder.as_uri(), digest(folder), turn, named)

    return register


def test_a_version_is_found_as_it_was_registered(registry: Registry, name: str, register: Register) -> None:
    made = register("t1", trained_until="2020-01-01T00:00:00+00:00")
    found = registry.get(name, made.version)
    assert found == made
    assert (found.turn, found.tags["tidemill.trained_until"]) == ("t1", "2020-01-01T00:00:00+00:00")
    assert found.digest.startswith("sha256:")


def test_a_turn_is_registered_once_for_each_role(registry: Registry, name: str, register: Register) -> None:
    model, baseline = register("t1"), register("t1", role="baseline")
    assert model.version != baseline.version
    assert register("t1") == model
    assert register("t1", role="baseline") == baseline
    assert register("t2").version not in (model.version, baseline.version)
    assert len(registry.versions(name)) == 3


def test_versions_come_in_order_and_only_a_loops_own(registry: Registry, name: str, register: Register) -> None:
    assert registry.versions(name) == []
    made = [register(f"t{n}").version for n in range(11)]
    assert [version.version for version in registry.versions(name)] == made
    assert made == sorted(made, key=int)
    assert registry.versions("another-loop") == []


def test_an_unknown_version_or_model_is_said(registry: Registry, name: str, register: Register) -> None:
    with pytest.raises(VersionUnknown, match="99"):
        registry.get("never-heard-of", "99")
    register("t1")
    with pytest.raises(VersionUnknown, match=f"99.*{name}|{name}.*99"):
        registry.get(name, "99")


def test_aliases_are_set_moved_and_removed_as_often_as_one_likes(
    registry: Registry, name: str, register: Register
) -> None:
    assert registry.aliases(name) == {}
    registry.set_alias(name, "champion", None)
    first, second = register("t1").version, register("t2").version
    for version in (first, second, second):
        registry.set_alias(name, "champion", version)
    registry.set_alias(name, "challenger", first)
    assert registry.aliases(name) == {"champion": second, "challenger": first}
    for _ in range(2):
        registry.set_alias(name, "challenger", None)
    assert registry.aliases(name) == {"champion": second}


def test_an_alias_of_nothing_is_refused(registry: Registry, name: str, register: Register) -> None:
    register("t1")
    with pytest.raises(VersionUnknown):
        registry.set_alias(name, "champion", "99")
    assert registry.aliases(name) == {}
