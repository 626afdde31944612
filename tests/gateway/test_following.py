"""A data plane of its own process: restarts, changed files, routes that change while it serves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gateway_harness import Running, outputs
from tidemill.adapters.artifact import local_folder
from tidemill.adapters.embedded_serving import EmbeddedServing
from tidemill.adapters.route_file import RouteFile
from tidemill.decisions.verdict import Reason
from tidemill.gateway.following import Follower
from tidemill.loop.model import Arm, ModelVersion, Role, Route

Start = Callable[..., Running]
Versions = dict[str, ModelVersion]


def one(version: str, *fallback: str) -> Route:
    return Route("delay", (Arm(version, Role.CHAMPION, 1.0),), fallback)


def test_a_route_given_in_one_process_is_served_by_another_also_after_a_restart(
    start: Start, versions: Versions, tmp_path: Path
) -> None:
    loop_side = EmbeddedServing("delay", RouteFile(tmp_path), None)
    running = start()
    follower = Follower(running.gateway, {"delay": RouteFile(tmp_path)})
    assert follower.poll() == []
    assert not loop_side.prepare(versions["calm"]).ready
    assert follower.poll() == ["delay"]
    assert loop_side.prepare(versions["calm"]).ready
    assert running.infer(["a"]).status_code == 503, "ready is not routed"
    loop_side.set_route(one("calm"))
    assert follower.poll() == ["delay"]
    assert outputs(running.infer(["a"]))["version"] == ["calm"]
    assert follower.poll() == []

    restarted = start()
    Follower(restarted.gateway, {"delay": RouteFile(tmp_path)}).poll()
    assert outputs(restarted.infer(["a"]))["version"] == ["calm"]
    follower.close()
    assert not loop_side.prepare(versions["calm"]).ready


def test_a_model_that_changed_on_disk_is_never_loaded(start: Start, versions: Versions, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(local_folder(versions["calm"].uri), copied)
    version = replace(versions["calm"], uri=copied.as_uri())
    with (copied / "model.pkl").open("ab") as file:
        file.write(b"more")
    readiness = start().gateway.prepare("delay", version)
    assert (readiness.ready, readiness.reason) == (False, Reason.ARTIFACT_CHANGED)
    assert str(copied) in readiness.message


def test_a_model_that_changes_while_it_serves_is_found_out(start: Start, versions: Versions, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(local_folder(versions["calm"].uri), copied)
    version = replace(versions["calm"], uri=copied.as_uri())
    gateway = start().gateway
    assert gateway.prepare("delay", version).ready
    assert gateway.prepare("delay", version).ready
    with (copied / "model.pkl").open("ab") as file:
        file.write(b"more")
    assert gateway.prepare("delay", version).reason is Reason.ARTIFACT_CHANGED


def test_after_a_restart_a_changed_champion_hands_over_to_its_fallback(
    start: Start, versions: Versions, tmp_path: Path
) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(local_folder(versions["calm"].uri), copied)
    routes = RouteFile(tmp_path / "routes")
    first = start()
    serving = EmbeddedServing("delay", routes, first.gateway.loader("delay"))
    serving.prepare(replace(versions["calm"], uri=copied.as_uri()))
    serving.prepare(versions["other"])
    serving.set_route(one("calm", "other"))
    (copied / "model.pkl").write_bytes(b"something else")
    second = start()
    Follower(second.gateway, {"delay": routes}).poll()
    answer = second.infer(["a"])
    assert outputs(answer)["version"] == ["other"]
    assert answer.json()["parameters"]["fallback"] is True
    assert second.rows()["fallback"].tolist() == [True]


def test_an_unreadable_route_file_leaves_the_last_route_serving(
    start: Start, versions: Versions, tmp_path: Path
) -> None:
    running = start()
    routes = RouteFile(tmp_path)
    serving = EmbeddedServing("delay", routes, running.gateway.loader("delay"))
    serving.prepare(versions["calm"])
    serving.set_route(one("calm"))
    follower = Follower(running.gateway, {"delay": RouteFile(tmp_path)})
    follower.poll()
    (tmp_path / "delay.json").write_text("{ broken")
    assert follower.poll() == []
    assert outputs(running.infer(["a"]))["version"] == ["calm"]


def test_a_model_that_ends_its_process_when_loaded_is_not_ready_and_the_gateway_lives_on(
    start: Start, versions: Versions
) -> None:
    running = start()
    readiness = running.prepare(versions["exits when loaded"])
    assert (readiness.ready, readiness.reason) == (False, Reason.NOT_READY)
    assert "does not load: SystemExit: while it is loaded" in readiness.message
    assert running.prepare(versions["calm"]).ready
