"""The chart's NetworkPolicies on a cluster that enforces them: who gets nowhere, and that what must be reached is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from chart_release import NAME, Release, release, until
from chart_tools import CHART
from cluster_world import KUBECONFIG
from network_pods import Pod, enforced, listening, namespace
from tidemill.adapters.kubernetes.model_deployment import ModelServing, model_objects
from tidemill.loop.model import ModelVersion

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]
PEER = "namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
SERVER, HEALTH, GATEWAY, MODEL, MLFLOW = 8081, 8082, 8080, 8080, 5000


@dataclass
class Network:
    """A release whose gateway `friend`'s namespace may ask, and whose runs' Pods are in `run`'s; `stranger` is neither,
    `neighbour` is in the release's namespace, `impostor` is a stranger with a gateway's labels."""

    release: Release
    options: tuple[str, ...]
    model: Pod
    stranger: Pod
    impostor: Pod
    friend: Pod
    run: Pod
    neighbour: Pod

    def pod(self, component: str, container: str = "") -> Pod:
        query = f"app.kubernetes.io/component={component}"
        name = self.release.kubectl("get", "pods", "-l", query, "-o", "jsonpath={.items[0].metadata.name}")
        return Pod(self.release.namespace, name, container)

    def doors(self) -> dict[str, tuple[str, int]]:
        """Every address at which something of the release listens."""
        control, gateway, mlflow = (self.pod(name).ip for name in ("control-plane", "gateway", "mlflow"))
        return {
            "server": (control, SERVER), "controller's health": (control, HEALTH), "gateway": (gateway, GATEWAY),
            "MLflow": (mlflow, MLFLOW), "model server": (self.model.ip, MODEL),
        }  # fmt: skip

    def open_to(self, pod: Pod) -> set[str]:
        return {name for name, (address, port) in self.doors().items() if pod.reaches(address, port)}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if not enforced():
        pytest.skip("this cluster does not enforce NetworkPolicies: a Pod under a deny-all policy was reached")
    folder = tmp_path_factory.mktemp("policy")
    with (
        release(folder, "tidemill-policy") as made,
        namespace("stranger") as strange, namespace("friend") as friendly, namespace("runs") as runs,
    ):  # fmt: skip
        options = ("--set", f"networkPolicy.gatewayFrom[0].{PEER}={friendly},pipelines.kubeflow.namespace={runs}")
        made.bring(CHART, *options)
        labels = _labels(made.namespace)
        gateway = {"app.kubernetes.io/name": "tidemill", "app.kubernetes.io/instance": NAME}
        made_network = Network(
            made,
            options,
            model=listening(made.namespace, "model", labels),
            stranger=listening(strange, "stranger"),
            impostor=listening(strange, "impostor", {**gateway, "app.kubernetes.io/component": "gateway"}),
            friend=listening(friendly, "friend"),
            run=listening(runs, "run"),
            neighbour=listening(made.namespace, "neighbour"),
        )
        until(lambda: not made_network.open_to(made_network.stranger), 120)  # a network learns of new Pods in its time
        yield made_network


def _labels(namespace: str) -> dict[str, str]:
    """Those that the controller gives to the Pods of a version."""
    version = ModelVersion("7", "file:///models/7", "sha256:7", "turn")
    objects = model_objects("visits", namespace, version, ModelServing("none:1"))
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels


def test_the_pods_are_ready_and_helm_finds_them_well(network: Network) -> None:
    assert "Phase:          Succeeded" in network.release.helm("test", NAME, "--timeout", "4m")


def test_what_is_tried_listens(network: Network) -> None:
    """Else a closed door would prove nothing: each Pod is asked by itself."""
    for component, container, port in [
        ("control-plane", "server", SERVER), ("control-plane", "server", HEALTH), ("gateway", "", GATEWAY),
        ("mlflow", "", MLFLOW),
    ]:  # fmt: skip
        assert network.pod(component, container).reaches("127.0.0.1", port), (component, port)
    assert network.model.reaches("127.0.0.1", MODEL)


def test_a_pod_of_another_namespace_gets_nowhere(network: Network) -> None:
    assert network.open_to(network.stranger) == set()


def test_a_pod_that_is_labelled_like_a_gateway_gets_nowhere_from_another_namespace(network: Network) -> None:
    assert network.open_to(network.impostor) == set()


def test_who_may_ask_for_predictions_reaches_the_gateway_alone(network: Network) -> None:
    assert network.open_to(network.friend) == {"gateway"}


def test_pods_of_runs_reach_mlflow_alone(network: Network) -> None:
    assert network.open_to(network.run) == {"MLflow"}


def test_the_namespace_reaches_api_and_mlflow_but_no_model_server(network: Network) -> None:
    assert network.open_to(network.neighbour) == {"server", "MLflow"}


def test_the_release_reaches_what_it_needs(network: Network) -> None:
    assert network.open_to(network.pod("gateway")) >= {"server", "model server"}
    assert network.open_to(network.pod("control-plane", "controller")) >= {"MLflow", "model server", "gateway"}


def test_mlflow_asks_nobody_for_anything(network: Network) -> None:
    assert network.open_to(network.pod("mlflow")) <= {"MLflow"}
    service = network.release.kubectl("get", "service", NAME, "-o", "jsonpath={.spec.clusterIP}")
    assert not network.pod("mlflow").reaches(service, SERVER)


def test_with_egress_rules_the_release_speaks_to_what_they_name_and_to_itself_alone(network: Network) -> None:
    rule = f"networkPolicy.egressTo[0].to[0].{PEER}={network.run.namespace}"
    network.release.bring(CHART, *network.options, "--set", rule)
    gateway, controller = network.pod("gateway"), network.pod("control-plane", "controller")
    until(lambda: not gateway.reaches(network.friend.ip, 8080), 60)
    assert not controller.reaches(network.friend.ip, 8080)
    for pod in (gateway, controller):
        assert pod.reaches(network.run.ip, 8080)
        assert pod.reaches("kubernetes.default", 443), "names and the API server stay within reach"
        assert network.open_to(pod) >= {"server", "MLflow", "model server"}
