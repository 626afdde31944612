from __future__ import annotations

from pathlib import Path

import pytest
from server_harness import World, add_loop
from starlette.testclient import TestClient
from tidemill.adapters.sql.database import Database


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/state.db" if sqlite else request.getfixturevalue("postgres").new_store()
    world = World(Database(url, durable=True))
    add_loop(world.state(), "visits")
    add_loop(world.state("lab"), "flights")
    return world


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client()
