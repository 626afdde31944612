"""The gateway's Pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_tools import CHART, Object, named, refusal, render

KUBEFLOW = CHART / "ci" / "kubeflow-values.yaml"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def pod(*options: str) -> Object:
    spec: Object = named(render(KUBEFLOW, *options), "Deployment", "tidemill-gateway")["spec"]["template"]["spec"]
    return spec


def variables(spec: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in spec["containers"][0]["env"] or () if "value" in one}


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


@pytest.mark.parametrize(
    ("spool", "limit"),
    [("1Gi", 768), ("128Mi", 96), ("0.5Gi", 384), ("10G", 7152), ("2Ti", 1572864), ("1073741824", 768)],
)
def test_the_spools_limit_is_below_its_volume(tmp_path: Path, spool: str, limit: int) -> None:
    """A Pod that writes more than its volume has is evicted, with all that waits."""
    values = tmp_path / "values.yaml"
    values.write_text(f"gateway: {{spool: {spool}}}\n")  # where a bare number is one, and not its text
    for options in ((f"--set=gateway.spool={spool}",), ("-f", str(values))):
        assert variables(pod(*options))["TIDEMILL_SPOOL_LIMIT_MIB"] == str(limit)


def test_a_spool_that_is_lost_before_anybody_is_alerted_is_refused() -> None:
    assert "gateway.spool is 100Mi: give it 128Mi at the least" in refusal("--set", "gateway.spool=100Mi")


def test_the_alert_names_the_limit_of_the_spool_that_the_chart_gives() -> None:
    (rule,) = [one for one in rules() if one["alert"] == "TidemillLogNotShipping"]
    limit = int(variables(pod())["TIDEMILL_SPOOL_LIMIT_MIB"])
    assert f"three quarters of the chart's gateway.spool ({limit} MiB of 1Gi)" in rule["annotations"]["description"]
    least = int(variables(pod("--set=gateway.spool=128Mi"))["TIDEMILL_SPOOL_LIMIT_MIB"])
    assert least > 64
    assert "> 64 * 1024 * 1024" in rule["expr"]


def test_a_gateway_takes_labels_unless_told_not_to() -> None:
    assert "--no-labels" not in pod()["containers"][0]["args"]
    assert "--no-labels" in pod("--set=gateway.labels=false")["containers"][0]["args"]
