"""A real Kubernetes for the tests that need one: any cluster that KUBECONFIG names."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_cluster import Cluster

CRDS = Path(__file__).parents[2] / "charts" / "tidemill" / "crds"


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Fails, and never skips: an end-to-end test that did not run shows nothing."""
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG names no cluster: this test needs one, such as kind's (`kind create cluster`)")
    if shutil.which("kubectl") is None:
        pytest.fail("kubectl is not on the PATH")
    found = Cluster()
    answer = found.kubectl("get", "--raw=/readyz", "--request-timeout=20s")
    if answer.returncode != 0:
        pytest.fail(f"the cluster of {os.environ['KUBECONFIG']} does not answer: {answer.stderr.strip()}")
    return found


@pytest.fixture(scope="session")
def kinds(cluster: Cluster) -> Cluster:
    """The cluster, with our CustomResourceDefinitions. They stay: others may use them."""
    cluster.done("apply", "--server-side", "--force-conflicts", "-f", CRDS)
    cluster.done("wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS)
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """An empty one, gone afterwards."""
    name = f"tidemill-e2e-{uuid.uuid4().hex[:8]}"
    cluster.done("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
