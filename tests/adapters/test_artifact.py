from __future__ import annotations

from pathlib import Path

import pytest
from tidemill.adapters.artifact import digest, fingerprint, local_folder, verify
from tidemill.loop.errors import ArtifactChanged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}")
    (tmp_path / "model" / "deep" / "model.pkl").write_bytes(b"weights")
    return tmp_path / "model"


def test_a_copy_has_the_same_digest(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    assert digest(tmp_path / "copy") == digest(folder)
    assert digest(folder).startswith("sha256:")


@pytest.mark.parametrize("change", ["content", "name", "more", "less", "moved bytes"])
def test_any_change_changes_the_digest_and_is_refused(folder: Path, change: str) -> None:
    before, seen = digest(folder), fingerprint(folder)
    weights = folder / "deep" / "model.pkl"
    if change == "content":
        weights.write_bytes(b"Weights")
    elif change == "name":
        weights.rename(folder / "deep" / "model2.pkl")
    elif change == "more":
        (folder / "extra").touch()
    elif change == "less":
        weights.unlink()
    else:
        weights.write_bytes(b"")
        (folder / "deep" / "model.pklweights").touch()
    assert digest(folder) != before
    assert fingerprint(folder) != seen
    with pytest.raises(ArtifactChanged, match="roll back") as refusal:
        verify(folder, before)
    assert str(folder) in str(refusal.value)
    assert before in str(refusal.value)


def test_the_unchanged_is_accepted_and_the_lost_is_refused(folder: Path) -> None:
    before = digest(folder)
    verify(folder, before)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(ArtifactChanged, match="no model folder"):
        verify(folder, before)


def test_only_local_folders_are_loaded() -> None:
    assert local_folder("file:///models/a%20b") == Path("/models/a b")
    assert local_folder("/models/a") == Path("/models/a")
    with pytest.raises(ValueError, match="not on this machine"):
        local_folder("s3://bucket/model")
