"""Where turns run: everything that is rendered says the same of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from chart_tools import CHART, Object, named, notes, render
from tidemill.spec.profile import ProfileSpec

KUBEFLOW, ARGO, PRODUCTION = (CHART / "ci" / f"{name}-values.yaml" for name in ("kubeflow", "argo", "production"))


def profile(objects: list[Object]) -> ProfileSpec:
    text = named(objects, "ConfigMap", "tidemill-profile")["data"]["profile.yaml"]
    return ProfileSpec.model_validate(yaml.safe_load(text)["spec"])


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        ((), "kubeflow"),
        (("--set=pipelines.kubeflow.namespace=pipes",), "pipes"),
        (("--set=pipelines.kubeflow.userNamespace=alice",), "alice"),
        (("--set=pipelines.kubeflow.namespace=pipes", "--set=pipelines.kubeflow.userNamespace=alice"), "alice"),
    ],
)
def test_the_pods_of_runs_are_looked_for_where_the_role_and_the_notes_say(
    tmp_path: Path, options: tuple[str, ...], runs: str
) -> None:
    objects = render(KUBEFLOW, *options)
    kubeflow = profile(objects).pipelines.kubeflow
    assert kubeflow is not None
    assert (kubeflow.runs_namespace, kubeflow.namespace) == (runs, runs)
    for kind in ("Role", "RoleBinding"):
        assert named(objects, kind, "tidemill-models-runs")["metadata"]["namespace"] == runs
    policy = named(objects, "NetworkPolicy", "tidemill-mlflow")["spec"]["ingress"][0]["from"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": runs}}} in policy
    said = notes(tmp_path, KUBEFLOW, *options)
    assert f"in models, in {runs} (the Pods of runs):" in said
    assert f"kubectl --namespace {runs} get secret tidemill-storage" in said


def test_a_kubeflow_that_wants_a_token_gets_one_that_is_made_for_it_and_shown_to_nobody_else() -> None:
    objects = render(PRODUCTION)
    pod = named(objects, "Deployment", "tidemill")["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "kubeflow-token"]
    token = {"path": "token", "audience": "pipelines.kubeflow.org", "expirationSeconds": 3600}
    assert volume["projected"]["sources"] == [{"serviceAccountToken": token}]
    mounts = {
        container["name"]: [one["mountPath"] for one in container["volumeMounts"] if one["name"] == volume["name"]]
        for container in pod["containers"]
    }
    kubeflow = profile(objects).pipelines.kubeflow
    assert kubeflow is not None
    assert mounts == {"controller": [str(Path(str(kubeflow.token_file)).parent)], "server": []}


@pytest.mark.parametrize("options", [(KUBEFLOW,), (ARGO, "--set=pipelines.kubeflow.tokenAudience=unused")])
def test_where_nobody_asks_for_a_token_none_is_made(options: tuple[Path, str]) -> None:
    objects = render(*options)
    volumes = named(objects, "Deployment", "tidemill")["spec"]["template"]["spec"]["volumes"]
    assert [one for one in volumes if "projected" in one] == []
    kubeflow = profile(objects).pipelines.kubeflow
    assert kubeflow is None or kubeflow.token_file is None
