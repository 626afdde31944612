from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tidemill.adapters.embedded_serving import EmbeddedServing, standing
from tidemill.adapters.route_file import RouteFile
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import NotReady, TidemillError
from tidemill.loop.model import Arm, Calibrator, ModelVersion, Readiness, Role, Route

FITTED = Calibrator("c-1", "1", 0.1, 0.9, datetime(2013, 3, 1, tzinfo=UTC))
CHAMPION = Arm("1", Role.CHAMPION, 0.9, 1.0, FITTED)
CANARY = Arm("2", Role.CANARY, 0.1, 1.0)
ROUTE = Route("delay", (CHAMPION, CANARY), ("0",))


def version(name: str, digest: str = "sha256:00") -> ModelVersion:
    return ModelVersion(name, f"file:///models/{name}", digest, f"turn-{name}", tags={"kind": "test"})


@dataclass
class DataPlane:
    """Loads everything but what is `broken`; remembers the route. The real one is tested in tests/gateway."""

    broken: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)
    route: Route | None = None

    def prepare(self, version: ModelVersion) -> Readiness:
        if version.version in self.broken:
            return Readiness(False, "changed on disk", Reason.ARTIFACT_CHANGED)
        self.loaded.append(version.version)
        return Readiness(True)

    def apply(self, route: Route) -> None:
        self.route = route


def serving(folder: Path, plane: DataPlane) -> EmbeddedServing:
    return EmbeddedServing("delay", RouteFile(folder), plane)


def routed(folder: Path) -> None:
    first = serving(folder, DataPlane())
    for name in ("0", "1", "2"):
        assert first.prepare(version(name)).ready
    first.set_route(ROUTE)


def test_a_route_survives_a_restart_with_all_that_is_needed_to_load_it(tmp_path: Path) -> None:
    routed(tmp_path)
    plane = DataPlane()
    again = serving(tmp_path, plane)
    assert again.route("delay") is None, "nothing is live before it is restored"
    again.restore()
    assert plane.route == again.route("delay") == ROUTE
    assert sorted(plane.loaded) == ["0", "1", "2"]


def test_a_route_needs_prepared_versions(tmp_path: Path) -> None:
    plane = DataPlane(broken={"2"})
    one = serving(tmp_path, plane)
    with pytest.raises(NotReady, match="never prepared"):
        one.set_route(ROUTE)
    for name in ("0", "1", "2"):
        one.prepare(version(name))
    with pytest.raises(NotReady, match="changed on disk"):
        one.set_route(ROUTE)
    assert plane.route is None
    assert RouteFile(tmp_path).read("delay").route is None


@pytest.mark.parametrize(
    ("broken", "arms", "fallback"),
    [
        ({"2"}, (Arm("1", Role.CHAMPION, 1.0, 0.0, FITTED),), ("0",)),
        ({"1"}, (Arm("0", Role.CHAMPION, 1.0, stands_in_for="1"),), ()),
        ({"0"}, ROUTE.arms, ()),
    ],
)
def test_what_cannot_be_loaded_after_a_restart_gives_way(
    tmp_path: Path, broken: set[str], arms: tuple[Arm, ...], fallback: tuple[str, ...]
) -> None:
    routed(tmp_path)
    plane = DataPlane(broken=broken)
    states = serving(tmp_path, plane).restore()
    assert plane.route == Route("delay", arms, fallback)
    assert {name for name, state in states.items() if not state.ready} == broken


def test_nothing_stands_where_nothing_is_ready() -> None:
    assert standing(ROUTE, set()) is None


def test_a_data_plane_of_another_process_is_asked_through_files(tmp_path: Path) -> None:
    here, there = EmbeddedServing("delay", RouteFile(tmp_path), None), RouteFile(tmp_path)
    assert "tidemill serve" in here.prepare(version("1")).message
    assert dict(there.read("delay").versions) == {"1": version("1")}
    there.report("delay", {"1": ("sha256:00", Readiness(True))})
    assert here.prepare(version("1")).ready
    assert not here.prepare(version("1", "sha256:other")).ready, "that was said of other files"
    there.report("delay", {"1": ("sha256:other", Readiness(False, "no", Reason.ARTIFACT_CHANGED))})
    assert here.prepare(version("1", "sha256:other")).reason is Reason.ARTIFACT_CHANGED


def test_an_unfinished_write_leaves_the_old_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    routed(tmp_path)
    routes = RouteFile(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(TidemillError, match="The old one stands"):
            routes.set(Route("delay", (CHAMPION,)))
    assert routes.read("delay").route == RouteFile(tmp_path).read("delay").route == ROUTE
    assert routes.loops() == ["delay"]


def test_versions_that_no_route_names_are_forgotten(tmp_path: Path) -> None:
    routed(tmp_path)
    routes = RouteFile(tmp_path)
    routes.set(Route("delay", (Arm("1", Role.CHAMPION, 1.0),)))
    assert list(routes.read("delay").versions) == ["1"]


def test_a_route_file_that_is_no_route_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "delay.json").write_text("{")
    with pytest.raises(TidemillError, match="Remove it"):
        RouteFile(tmp_path).read("delay")
