"""Alerts ask for metrics that exist, and fire when they should."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from chart_tools import CHART, ran, render
from prometheus_client import CollectorRegistry
from tidemill.gateway.metrics import Metrics as GatewayMetrics
from tidemill.server.metrics import families

ALERTS = CHART / "files" / "alerts.yaml"
# The gauges that the gateway's verb adds (cli/gateway.py).
VERB = Path(__file__).parents[2] / "platform" / "tidemill" / "cli" / "gateway.py"


def rules() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def known() -> set[str]:
    def names(registry: CollectorRegistry) -> set[str]:
        counters = {f"{one.name}_total" for one in registry.collect() if one.type == "counter"}
        return counters | {one.name for one in registry.collect()}

    gauges = {f"tidemill_{name}" for name in re.findall(r'metrics\.gauge\(\s*"(\w+)"', VERB.read_text())}
    return names(GatewayMetrics().registry) | {one.name for one in families({})} | gauges


def test_every_metric_exists() -> None:
    used = {name for rule in rules() for name in re.findall(r"\btidemill_\w+", rule["expr"])}
    assert used - known() == set()
    assert len(used) >= 10


def test_every_alert_says_what_and_what_to_do() -> None:
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_promtool_takes_the_rules() -> None:
    done = ran("promtool", "check", "rules", ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_when_they_should_and_not_before() -> None:
    done = ran("promtool", "test", "rules", Path(__file__).with_name("alerts_test.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_monitors_keep_a_loops_own_labels_and_show_a_token() -> None:
    objects = render(CHART / "ci" / "production-values.yaml")
    server, gateway = (one["spec"]["endpoints"][0] for one in objects if one["kind"] == "ServiceMonitor")
    assert server["honorLabels"], "else `namespace` would be the server's"
    assert server["bearerTokenFile"].endswith("/token")
    assert gateway["path"] == "/metrics"
    (rule,) = [one for one in objects if one["kind"] == "PrometheusRule"]
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
