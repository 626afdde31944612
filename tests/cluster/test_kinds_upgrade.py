"""Helm never upgrades CustomResourceDefinitions; the chart's hook does, with the rights that it needs and no others."""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_world import kubectl
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.controller.kinds import RELEASE, bring
from tidemill.loop.errors import TidemillError

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="KUBECONFIG names no cluster"),
]
CRDS = Path(__file__).parents[2] / "charts" / "tidemill" / "crds"
API, KIND = "apiextensions.k8s.io/v1", "CustomResourceDefinition"


@pytest.fixture
def definition(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """That of ModelRollouts under a group of the test's own, brought by somebody else and gone afterwards."""
    document = yaml.safe_load((CRDS / "modelrollouts.yaml").read_text())
    group = f"t{uuid.uuid4().hex[:8]}.tidemill.dev"
    document["metadata"]["name"] = f"modelrollouts.{group}"
    document["spec"]["group"] = group
    document["spec"]["names"] = {**document["spec"]["names"], "shortNames": [], "categories": []}
    path = tmp_path / "crd.yaml"
    path.write_text(yaml.safe_dump(document))
    kubectl("apply", "--server-side", "-f", str(path))
    yield document
    kubectl("delete", "crd", document["metadata"]["name"])


def properties(name: str) -> dict[str, Any]:
    found = KubernetesApi().get(API, KIND, None, name)
    assert found is not None
    spec = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return {"release": found["metadata"].get("annotations", {}).get(RELEASE), "fields": set(spec["properties"])}


def changed(document: dict[str, Any], without: str, plus: str) -> dict[str, Any]:
    newer = copy.deepcopy(document)
    fields = newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del fields[without]
    fields[plus] = {"type": "string"}
    return newer


def test_a_newer_release_brings_its_fields_and_takes_those_that_it_dropped(definition: dict[str, Any]) -> None:
    name, api = definition["metadata"]["name"], KubernetesApi()
    before = properties(name)["fields"]
    newer = changed(definition, without="paused", plus="hurried")
    assert bring(api, [newer], "0.2.0") == [f"{name} is of release 0.2.0 now"]
    assert properties(name) == {"release": "0.2.0", "fields": before - {"paused"} | {"hurried"}}
    assert bring(api, [newer], "0.2.0") == [f"{name} is as release 0.2.0 has it"]


def test_an_older_installation_beside_it_leaves_a_newer_release_alone(definition: dict[str, Any]) -> None:
    name, api = definition["metadata"]["name"], KubernetesApi()
    bring(api, [definition], "0.10.0")
    older = changed(definition, without="paused", plus="hurried")
    assert bring(api, [older], "0.9.1") == [f"{name} is of release 0.10.0, newer than 0.9.1: left as it is"]
    assert "paused" in properties(name)["fields"]


def test_a_definition_that_is_not_there_is_said(definition: dict[str, Any]) -> None:
    missing = {**definition, "metadata": {"name": f"missing.{definition['spec']['group']}"}}
    with pytest.raises(TidemillError, match="kubectl apply --server-side -f charts/tidemill/crds"):
        bring(KubernetesApi(), [missing], "0.2.0")
