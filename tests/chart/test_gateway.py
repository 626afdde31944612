"""The gateway's Pods."""

from __future__ import annotations

from chart_tools import CHART, Object, named, render

KUBEFLOW = CHART / "ci" / "kubeflow-values.yaml"


def pod(*options: str) -> Object:
    spec: Object = named(render(KUBEFLOW, *options), "Deployment", "tidemill-gateway")["spec"]["template"]["spec"]
    return spec


def variables(spec: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in spec["containers"][0]["env"] or ()}


def test_the_gateways_token_is_made_for_the_servers_audience() -> None:
    spec = pod("--set=controlPlane.server.audience=tidemill.example")
    (volume,) = [one for one in spec["volumes"] if "projected" in one]
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "tidemill.example"
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == volume["name"]]
    token = f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    assert variables(spec)["TIDEMILL_TOKEN_FILE"] == token, "cli/gateway.py reads it"


def test_without_an_audience_the_service_accounts_own_token_will_do() -> None:
    spec = pod()
    assert [one for one in spec["volumes"] if "projected" in one] == []
    assert "TIDEMILL_TOKEN_FILE" not in variables(spec)
