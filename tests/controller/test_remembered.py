"""What a registry said stands for some minutes."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.controller.remembered import SECONDS, RememberedRegistry
from tidemill.loop.errors import VersionUnknown


class Counted(MemoryRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def get(self, name: str, version: str) -> Any:
        self.asked += 1
        return super().get(name, version)

    def aliases(self, name: str) -> dict[str, str]:
        self.asked += 1
        return super().aliases(name)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_what_was_said_is_not_asked_for_again_until_its_time_is_over(counted: Counted) -> None:
    now = [0.0]
    registry = RememberedRegistry(counted, lambda: now[0])
    version = registry.register("small", counted.put("a model"), "", "t-1", {})
    for _ in range(3):
        assert registry.get("small", version.version).turn == "t-1"
        assert registry.aliases("small") == {}
    assert counted.asked == 2
    now[0] = SECONDS
    registry.get("small", version.version)
    registry.aliases("small")
    assert counted.asked == 4


def test_an_alias_that_is_set_is_asked_for_anew(counted: Counted) -> None:
    registry = RememberedRegistry(counted)
    version = registry.register("small", counted.put("a model"), "", "t-1", {})
    assert registry.aliases("small") == {}
    registry.set_alias("small", "champion", version.version)
    assert registry.aliases("small") == {"champion": version.version}


def test_what_was_not_there_is_asked_for_each_time(counted: Counted) -> None:
    registry = RememberedRegistry(counted)
    for _ in range(2):
        with pytest.raises(VersionUnknown):
            registry.get("small", "1")
    registry.register("small", counted.put("a model"), "", "t-1", {})
    assert registry.get("small", "1").turn == "t-1"
