"""A private registry's Secret: given to all Pods that pull from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from chart_tools import CHART, named, notes, pods, refusal, render
from small_world import model_loop
from tidemill.adapters.argo.run import Run
from tidemill.adapters.argo.workflow import workflow
from tidemill.adapters.kubeflow.package import package
from tidemill.adapters.kubernetes.model_deployment import model_objects
from tidemill.adapters.local.pipelines import compiled
from tidemill.controller.place import model_serving, step_settings
from tidemill.loop.model import ModelVersion
from tidemill.spec.profile import ProfileSpec

KUBEFLOW, ARGO, PRODUCTION = (CHART / "ci" / f"{name}-values.yaml" for name in ("kubeflow", "argo", "production"))
SECRET = "--set=imagePullSecrets[0].name=registry"
GIVEN = [{"name": "registry"}]
RUN = Run("small-1", "s3://b/small/pipeline", 60, "small", "1", "s3://b/small")


def profile(values: Path, *options: str) -> ProfileSpec:
    text = named(render(values, *options), "ConfigMap", "tidemill-profile")["data"]["profile.yaml"]
    return ProfileSpec.model_validate(yaml.safe_load(text)["spec"])


@pytest.mark.parametrize("values", [KUBEFLOW, ARGO], ids=["kubeflow", "argo"])
def test_the_registrys_secret_reaches_every_pod_that_is_made(values: Path) -> None:
    for name, pod in pods(render(values, SECRET)):
        assert pod["imagePullSecrets"] == GIVEN, name
    spec = profile(values, SECRET)
    assert spec.serving.deployments is not None
    serving = model_serving(spec.serving.deployments, model_loop())
    version = ModelVersion("7", "file:///models/7", "sha256:7", "turn")
    made = [one for one in model_objects("small", "models", version, serving) if one["kind"] == "Deployment"]
    assert [one["spec"]["template"]["spec"]["imagePullSecrets"] for one in made] == [GIVEN]
    if spec.pipelines.argo is not None:
        settings = step_settings(spec.pipelines.argo.steps, model_loop(), "models")
        assert workflow(RUN, "root", [], [], settings)["spec"]["imagePullSecrets"] == GIVEN


def test_kubeflow_is_told_of_none_and_the_notes_say_where_it_belongs(tmp_path: Path) -> None:
    kubeflow = profile(PRODUCTION).pipelines.kubeflow
    assert kubeflow is not None
    package(compiled("training"), step_settings(kubeflow.steps, model_loop(), "team-models"))  # refuses what is lost
    said = " ".join(notes(tmp_path, PRODUCTION).split())
    assert "Images are pulled with registry, which must be in models and in every namespace that has loops." in said
    assert "in team-models it belongs on the service account that runs have, as Kubeflow comes default-editor." in said


@pytest.mark.parametrize(
    ("options", "where"),
    [((), "models."), (("--set=scope=cluster",), "models and in every namespace that has loops."),
     (("--set=pipelines.argo.namespace=argo",), "models, and in argo (the Pods of runs).")],
)  # fmt: skip
def test_the_notes_say_where_the_secret_must_be(tmp_path: Path, options: tuple[str, ...], where: str) -> None:
    said = " ".join(notes(tmp_path, ARGO, SECRET, *options).split())
    assert f"Images are pulled with registry, which must be in {where}" in said


def test_a_secret_without_a_name_is_refused() -> None:
    assert "missing property 'name'" in refusal("--set", "imagePullSecrets[0].nam=registry")
