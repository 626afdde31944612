"""Two namespaces with a loop of the same name share a registry and never meet."""

from __future__ import annotations

from pathlib import Path

from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.adapters.scoped_registry import ScopedRegistry


def test_loops_of_one_name_in_two_namespaces_have_versions_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"model")
    shared = MemoryRegistry()
    home, team = ScopedRegistry(shared, ""), ScopedRegistry(shared, "team-a.")
    made = team.register("visits", tmp_path.as_uri(), "sha256:1", "turn", {})
    assert team.versions("visits") == [made]
    assert team.get("visits", made.version) == made
    assert home.versions("visits") == []
    team.set_alias("visits", "champion", made.version)
    assert team.aliases("visits") == {"champion": made.version}
    assert home.aliases("visits") == {}
    assert shared.versions("team-a.visits") == [made]
