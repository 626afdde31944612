"""Values that are refused, and what they bring about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_tools import CHART, VALUES, named, pods, refusal, render, template
from tidemill.cli.every import seconds
from tidemill.spec.profile import Profile

KUBEFLOW, ARGO, PRODUCTION = (CHART / "ci" / f"{name}-values.yaml" for name in ("kubeflow", "argo", "production"))
HOOKS = "-s=templates/crd-upgrade.yaml"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("gateway.replicas=0", "at '/gateway/replicas': minimum: got 0, want 1"),
        ("gateway.replicas=two", "at '/gateway/replicas': got string, want integer"),
        ("image.pullPolicy=always", "'Always', 'IfNotPresent', 'Never'"),
        ("scope=Cluster", "'namespaced', 'cluster'"),
        ("controlPlane.every=often", "at '/controlPlane/every'"),
        ("controlPlane.every=0s", "at '/controlPlane/every'"),
        ("controlPlane.every=1..5s", "at '/controlPlane/every'"),
        (
            "gateway.replicas=12,gateway.autoscaling.enabled=true",
            "gateway.replicas is 12, the least with autoscaling, and gateway.autoscaling.maxReplicas is 10",
        ),
        ("gateway.spool=lots", "at '/gateway/spool'"),
        ("mlflow.url=mlflow:5000", "at '/mlflow/url'"),
        ("storage.url=", "storage.url is not set"),
        ("pipelines.kubeflow.endpoint=", "nothing runs turns"),
        ("controlPlane.replicas=2", "set state.urlSecret.name"),
        ("mlflow.enabled=false", "no MLflow server"),
        ("storage.env.AWS_SECRET_ACCESS_KEY=x", "storage.env.AWS_SECRET_ACCESS_KEY is a secret"),
        ("mlflow.url=https://ann:pass@mlflow", "holds a password"),
        ("monitoring.serviceMonitor=true,controlPlane.server.audience=us", "set monitoring.tokenSecret.name"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_words(setting: str, said: str) -> None:
    assert said in refusal("--set", setting)


@pytest.mark.parametrize("every", ["500ms", "1.5s", "60s", "1h30m", "1d"])
def test_the_controller_reads_every_pause_that_the_schema_takes(every: str) -> None:
    pod = dict(pods(render(KUBEFLOW, f"--set=controlPlane.every={every}")))["Deployment/tidemill"]
    assert f"--every={every}" in pod["containers"][0]["args"]
    assert seconds(every) > 0


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, described in schema["properties"].items():
        yield f"{path}{name}", described
        if "properties" in described:
            yield from leaves(described, f"{path}{name}.")


def test_every_value_is_described_and_has_a_default() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for path, described in leaves(schema):
        assert described.get("description"), path
        assert "properties" not in described or described["additionalProperties"] is False, path
        found: Any = values
        for part in path.split("."):
            assert path == "global" or part in found, f"values.yaml lacks {path}"
            found = found.get(part) if path != "global" else None


def test_nothing_looks_at_the_cluster_while_it_renders() -> None:
    """`lookup` answers nothing under `helm template`, so what is applied would not be what was reviewed."""
    for path in (CHART / "templates").rglob("*"):
        assert path.is_dir() or "lookup" not in path.read_text(), path


def test_steps_on_argo_run_as_an_account_that_may_report_and_nothing_else() -> None:
    objects = render(ARGO)
    profile = yaml.safe_load(named(objects, "ConfigMap", "tidemill-profile")["data"]["profile.yaml"])
    assert profile["spec"]["pipelines"]["argo"]["steps"]["serviceAccount"] == "tidemill-steps"
    rules = [{"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}]
    assert named(objects, "Role", "tidemill-steps")["rules"] == rules


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (["pipelines.argo.namespace=argo"], {"argo"}),
        (["scope=cluster", "loopNamespaces={shop,flights}"], {"models", "shop", "flights"}),
        (["loopNamespaces={shop}"], {"models"}),
        (["pipelines.argo.createRole=false"], set()),
        (["pipelines.steps.serviceAccount=ours"], set()),
    ],
)
def test_the_account_is_made_where_workflows_run(options: list[str], where: set[str]) -> None:
    objects = render(ARGO, *(f"--set={option}" for option in options))
    made = [one for one in objects if one["kind"] == "Role" and one["metadata"]["name"] == "tidemill-steps"]
    assert {one["metadata"]["namespace"] for one in made} == where


def test_namespaced_asks_for_no_rights_on_the_cluster_but_reviews_and_the_two_definitions() -> None:
    bound = [one for one in render(KUBEFLOW, "--set=rbac.create=false") if one["kind"] == "ClusterRoleBinding"]
    assert {one["roleRef"]["name"] for one in bound} == {"system:auth-delegator", "tidemill-models-crds"}
    (role,) = [one for one in render(KUBEFLOW, HOOKS) if one["kind"] == "ClusterRole"]
    assert role["rules"] == [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": ["modelloops.tidemill.dev", "modelrollouts.tidemill.dev"],
            "verbs": ["get", "update"],
        }
    ]


@pytest.mark.parametrize("values", [KUBEFLOW, ARGO])
def test_a_loop_may_name_those_secrets_of_the_steps_alone_that_are_listed(values: Path) -> None:
    for options, allowed in [((), ()), (("--set=pipelines.steps.allowedSecrets={licence,lake}",), ("licence", "lake"))]:
        text = named(render(values, *options), "ConfigMap", "tidemill-profile")["data"]["profile.yaml"]
        place = Profile.model_validate(yaml.safe_load(text)).spec.pipelines
        runner = place.kubeflow or place.argo
        assert runner is not None
        assert runner.steps.allowed_secrets == allowed


@pytest.mark.parametrize("values", [KUBEFLOW, ARGO])
def test_of_the_storages_secret_pods_get_the_listed_keys_alone(values: Path) -> None:
    objects = render(values, "--set=storage.secret=store", "--set=storage.keys={ID,KEY}")
    spec = Profile.model_validate(
        yaml.safe_load(named(objects, "ConfigMap", "tidemill-profile")["data"]["profile.yaml"])
    ).spec
    runner = spec.pipelines.kubeflow or spec.pipelines.argo
    assert runner is not None and spec.serving.deployments is not None
    for made in (runner.steps, spec.serving.deployments):
        assert [(secret.name, secret.keys) for secret in made.secrets] == [("store", ("ID", "KEY"))]
    containers = [container for _, pod in pods(objects) for container in pod["containers"]]
    assert not [container["name"] for container in containers if "envFrom" in container]
    given = {
        container["name"]
        for container in containers
        for variable in container.get("env") or []
        if variable.get("valueFrom", {}).get("secretKeyRef") == {"name": "store", "key": "KEY"}
    }
    assert given == {"controller", "gateway"}


def test_nobody_may_read_secrets_or_everything() -> None:
    for values in VALUES:
        for one in [one for one in render(values) if one["kind"] in ("Role", "ClusterRole")]:
            for rule in one["rules"]:
                assert "*" not in rule["verbs"] + rule.get("resources", []) + rule.get("apiGroups", [])
                assert "secrets" not in rule.get("resources", []), one["metadata"]["name"]


def test_the_volumes_outlive_an_uninstall() -> None:
    claims = [one for one in render(KUBEFLOW) if one["kind"] == "PersistentVolumeClaim"]
    assert {one["metadata"]["name"] for one in claims} == {"tidemill-state", "tidemill-mlflow"}
    for one in claims:
        assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_with_postgresql_there_is_no_volume_and_no_url_in_sight() -> None:
    objects = render(PRODUCTION)
    assert [one for one in objects if one["kind"] == "PersistentVolumeClaim"] == []
    for container in named(objects, "Deployment", "tidemill")["spec"]["template"]["spec"]["containers"]:
        state = [one for one in container["env"] if one["name"] == "TIDEMILL_STATE_URL"]
        assert state == [
            {"name": "TIDEMILL_STATE_URL", "valueFrom": {"secretKeyRef": {"name": "tidemill-state", "key": "url"}}}
        ]


def test_every_pod_of_the_release_is_closed_but_for_what_a_policy_opens() -> None:
    objects = {one["metadata"]["name"]: one["spec"] for one in render(KUBEFLOW) if one["kind"] == "NetworkPolicy"}
    deny = objects["tidemill-deny"]
    assert (deny.get("ingress"), deny["policyTypes"]) == (None, ["Ingress"])
    assert deny["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "tidemill", "app.kubernetes.io/instance": "tidemill",
    }  # fmt: skip
    assert objects["tidemill"]["ingress"][0]["from"] == [{"podSelector": {}}], "the API: this namespace alone"
    assert "from" not in objects["tidemill-gateway"]["ingress"][0], "predictions: anybody"
    assert (objects["tidemill-mlflow"]["egress"], objects["tidemill-mlflow"]["policyTypes"][1]) == ([], "Egress")
    assert "tidemill-egress" not in objects, "the storage's address is known to nobody here"
    off = template("-f", KUBEFLOW, "--set=networkPolicy.enabled=false").stdout
    assert "kind: NetworkPolicy" not in off


def test_a_long_or_foreign_release_name_still_fits() -> None:
    for name in ("prod", "tidemill", "a-very-long-release-name-that-goes-on-and-on-x"):
        done = template("-f", ARGO, release=name)
        assert done.returncode == 0, done.stderr
        for one in yaml.safe_load_all(done.stdout):
            assert one is None or len(one["metadata"]["name"]) <= 63
