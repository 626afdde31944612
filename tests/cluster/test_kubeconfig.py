"""Kubeconfigs whose user is an exec plugin, as those of EKS and GKE are, against a real API server."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kopf
import pytest
import yaml
from cluster_world import KUBECONFIG, kubectl
from tidemill.adapters.kubernetes.api import ApiError, KubernetesApi
from tidemill.controller.watching import _login

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]
EXEC = "client.authentication.k8s.io/v1"
FAR = timedelta(hours=1)


class Plugin:
    """A shell script that prints an ExecCredential, and notes each run."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self._folder, script = folder, folder / "plugin"
        script.write_text(f'#!/bin/sh\necho "$KUBERNETES_EXEC_INFO" >>{folder}/runs\ncat {folder}/said\n')
        script.chmod(0o755)
        document = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        self.before = document["users"][0]["user"]
        document["contexts"][0]["context"]["namespace"] = namespace
        document["users"][0]["user"] = {
            "exec": {"apiVersion": EXEC, "command": str(script), "interactiveMode": "Never"}
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(document))

    def says(self, within: timedelta | None = FAR, **status: str) -> None:
        if within is not None:
            status["expirationTimestamp"] = f"{datetime.now(UTC) + within:%Y-%m-%dT%H:%M:%SZ}"
        credential = {"apiVersion": EXEC, "kind": "ExecCredential", "status": status}
        (self._folder / "said").write_text(json.dumps(credential))

    @property
    def runs(self) -> int:
        return len((self._folder / "runs").read_text().splitlines())


@pytest.fixture(scope="module")
def team() -> Iterator[str]:
    """A namespace whose default service account may see what is in it."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("create", "rolebinding", "sees", "-n", name, "--clusterrole=view", f"--serviceaccount={name}:default")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def plugin(team: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    made = Plugin(tmp_path, team)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return made


@pytest.fixture
def token(team: str) -> str:
    return kubectl("create", "token", "default", "-n", team).strip()


def seen(api: KubernetesApi) -> list[Any]:
    found: list[Any] = api.list("v1", "Service", api.access.namespace, "")["items"]
    return found


@pytest.fixture(autouse=True)
def token_first(token: str, plugin: Plugin) -> None:
    """Made by the kubeconfig of the tests, before that of the plugin counts."""


def test_the_plugins_token_is_shown_and_it_runs_once(plugin: Plugin, team: str, token: str) -> None:
    plugin.says(token=token)
    api = KubernetesApi()
    assert api.access.namespace == team
    for _ in range(3):
        assert seen(api) == []
    with pytest.raises(ApiError, match="403"):
        api.get("v1", "Secret", team, "any")
    assert plugin.runs == 1


def test_a_token_that_is_about_to_expire_is_renewed_before_it_does(plugin: Plugin, token: str) -> None:
    plugin.says(timedelta(minutes=1), token="one-that-is-not-valid")
    api = KubernetesApi()
    plugin.says(token=token)
    assert seen(api) == []
    assert seen(api) == []
    assert plugin.runs == 2


def test_a_token_that_is_refused_is_renewed_at_once(plugin: Plugin, token: str) -> None:
    plugin.says(token="one-that-was-revoked")
    api = KubernetesApi()
    plugin.says(token=token)
    assert seen(api) == []
    assert plugin.runs == 2


def test_one_that_stays_refused_is_told(plugin: Plugin) -> None:
    plugin.says(None, token="one-that-was-revoked")
    api = KubernetesApi()
    with pytest.raises(ApiError, match="401"):
        seen(api)
    assert plugin.runs == 2


def test_a_certificate_of_the_plugin_is_shown(plugin: Plugin) -> None:
    if "client-certificate-data" not in plugin.before:
        pytest.skip("this cluster's own kubeconfig has no client certificate to lend")
    kinds = {"clientCertificateData": "client-certificate-data", "clientKeyData": "client-key-data"}
    plugin.says(**{name: base64.b64decode(plugin.before[key]).decode() for name, key in kinds.items()})
    assert KubernetesApi().get("v1", "Secret", "default", "none") is None


def test_watches_of_the_controller_log_in_by_the_same_plugin(plugin: Plugin, team: str, token: str) -> None:
    plugin.says(token=token)
    login = _login(settings=kopf.OperatorSettings())
    assert login is not None
    assert (login.token, login.scheme, login.default_namespace) == (token, "Bearer", team)
    assert login.ca_path is not None


def test_kubeconfigs_are_merged(plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    plugin.says(token=token)
    (tmp_path / "other").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": [], "users": []}))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/other:{tmp_path}/kubeconfig")
    assert seen(KubernetesApi()) == []
