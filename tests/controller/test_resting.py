"""What a controller has imported it keeps: so a tick in which nothing is to be done must not import what is heavy."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from durable import DAYS, LOOP, WORLD, Killer, live
from scripted_http import reply, serving

HERE = Path(__file__).parent


ALIASES: list[dict[str, str]] = []  # as the loop left them


def mlflow(handler: BaseHTTPRequestHandler) -> None:
    """A server that knows every version of every model."""
    asked = {key: values[0] for key, values in parse_qs(urlsplit(handler.path).query).items()}
    version = {"name": asked["name"], "version": asked.get("version", ""), "source": "s3://b/m", "run_id": "r",
               "tags": [{"key": "tidemill.digest", "value": "sha256:1"}]}  # fmt: skip
    model = {"name": asked["name"], "aliases": ALIASES}
    found = {"model_version": version} if "/model-versions/" in handler.path else {"registered_model": model}
    reply(handler, 200, json.dumps(found).encode())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days of turns and rollouts, with closed blocks; since then nothing has come."""
    folder = tmp_path_factory.mktemp("life")
    lived = live(folder, Killer(None, after=False))
    found = lived.ports.registry.aliases(lived.name)
    ALIASES[:] = [{"alias": alias, "version": version} for alias, version in found.items()]
    with closing(sqlite3.connect(folder / "home" / "state.db")) as store:
        for table in ("documents", "ledger"):
            store.execute(f"UPDATE {table} SET loop = 'team/small'")
        store.commit()
    home = folder / "store" / "team" / "small"
    home.mkdir(parents=True)
    (home / "data").symlink_to(folder / "data")
    spec = LOOP.model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    spec["triggers"] |= {
        "schedule": "0 4 * * 1", "newData": {"growth": "100%"},
        "performance": {"tolerance": 0.5, "falseAlarms": "1/y"}, "drift": {"falseAlarms": "1/y", "action": "alert"},
        "limits": {"cooldown": "30d", "minNewOutcomes": 1000},  # a signal that waits is rest, too
    }  # fmt: skip
    now = datetime.combine(WORLD.live_from, time(9), UTC) + timedelta(days=DAYS + 1)
    (folder / "given.json").write_text(json.dumps({"spec": spec, "now": now.isoformat()}))
    return folder


@pytest.fixture(scope="module")
def tracking() -> Iterator[str]:
    with serving(mlflow) as (host, port):
        yield f"http://{host}:{port}"


def ticked(project: Path, tracking: str, how: str) -> dict[str, Any]:
    roots = [str(HERE), *filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, str(HERE / "resting.py"), str(project), tracking, how],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_tick_with_nothing_to_do_imports_nothing_heavy(project: Path, tracking: str) -> None:
    ticked(project, tracking, "any")  # what there was to do after all: days that nobody had looked at yet
    rest = ticked(project, tracking, "light")
    assert rest["imported"] == []
    assert rest["status"]["champion"]["version"] == "3", "promoted, with closed days behind it"
    assert rest["status"]["partitions"]["admitted"] > DAYS
    reasons = {condition["type"]: condition["reason"] for condition in rest["status"]["conditions"]}
    assert reasons["Training"] in ("Cooldown", "RolloutRunning")
