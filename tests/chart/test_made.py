"""What is made from the chart says what the chart says now."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
import yaml
from chart_tools import ROOT, ran, tool


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    tool("helm")
    return runpy.run_path(str(ROOT / "ci" / "manifests.py"))


def test_the_reference_has_every_value() -> None:
    page = runpy.run_path(str(ROOT / "ci" / "chart_reference.py"))["page"]()
    assert (ROOT / "docs" / "reference" / "chart.md").read_text() == page, "run `make reference`"


def test_the_manifests_are_those_of_the_chart(manifests: dict[str, Any]) -> None:
    for name, text in manifests["files"]().items():
        assert (ROOT / "manifests" / name).read_text() == text, f"{name}: run `make manifests`"


@pytest.mark.parametrize("overlay", ["namespaced", "cluster", "production"])
def test_kustomize_makes_what_helm_makes(manifests: dict[str, Any], overlay: str) -> None:
    done = ran("kubectl", "kustomize", ROOT / "manifests" / "overlays" / overlay)
    assert done.returncode == 0, done.stderr
    made = {manifests["key_of"](one): one for one in yaml.safe_load_all(done.stdout)}
    beside = {key for key in made if key[0] in ("Namespace", "CustomResourceDefinition")}
    assert len(beside) == 3
    wanted = manifests["rendered"](*manifests["OVERLAYS"][overlay])
    assert {key: one for key, one in made.items() if key not in beside} == wanted
