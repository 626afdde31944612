"""What `tidemill render` prints is what Argo Events understands, and what is in tests/cli/golden."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from tidemill.adapters.argo.models import argo_models
from tidemill.cli.main import cli
from tidemill.server.cloud_events import parse_events
from tidemill.server.inbox import DATA_ARRIVED, meaning

LOOP = str(Path(__file__).parents[2] / "examples" / "flights" / "loop.yaml")
BASE = Path(__file__).parents[2] / "manifests" / "base" / "tidemill.yaml"
GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "s3-sqs": ["--queue", "arrivals", "--region", "eu-central-1", "--aws-secret", "aws"],
    "kafka": ["--brokers", "kafka.kafka.svc:9092", "--topic", "arrivals"],
    "webhook": ["--dlq", "http://dead-letters.ops.svc/tidemill", "--namespace", "ml", "--token-secret", "sender"],
}


def rendered(source: str) -> str:
    done = CliRunner().invoke(cli, ["render", LOOP, "--argo-events", source, *CASES[source]])
    assert done.exit_code == 0, done.output
    return done.output


def documents(source: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(rendered(source)))


@pytest.mark.parametrize("source", CASES)
def test_it_is_the_golden_file(source: str) -> None:
    """TIDEMILL_GOLDEN=write writes them anew."""
    path = GOLDEN / f"argo-events-{source}.yaml"
    assert rendered(source) == path.read_text()


def as_text(value: Any) -> Any:
    """Hera's models hold Go's int64 and amounts as text, and do not know that Go has a webhook's context inline."""
    if isinstance(value, dict):
        if "authSecret" in value:
            return {"webhookContext": value}
        return {k: str(v) if k == "waitTimeSeconds" else as_text(v) for k, v in value.items() if k != "retryStrategy"}
    return [as_text(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("source", CASES)
def test_argo_events_has_every_field(source: str) -> None:
    argo_models()  # before anybody imports hera without its care for YAML
    models = pytest.importorskip("hera.events.models.github.com.argoproj.argo_events.pkg.apis.events.v1alpha1")
    for document in documents(source):
        given = {key: as_text(document[key]) for key in ("metadata", "spec")}
        model = getattr(models, document["kind"]).model_validate(given)
        assert model.model_dump(by_alias=True, exclude_none=True, mode="json") == given


def triggers(source: str) -> Iterator[dict[str, Any]]:
    for trigger in documents(source)[1]["spec"]["triggers"]:
        yield trigger
        if "dlqTrigger" in trigger:
            yield trigger["dlqTrigger"]


@pytest.mark.parametrize("source", CASES)
def test_every_trigger_delivers_at_least_once_and_knows_success(source: str) -> None:
    for trigger in triggers(source):
        assert trigger["atLeastOnce"] is True
        assert trigger["retryStrategy"]["steps"] > 1
        assert trigger["policy"]["status"]["allow"]


@pytest.mark.parametrize("source", CASES)
def test_what_is_posted_is_an_event_that_the_inbox_understands(source: str) -> None:
    (trigger, *_) = triggers(source)
    http = trigger["template"]["http"]
    seen = {"messageId": "m1", "id": "e1"}
    body = {
        part["dest"]: part["src"].get("value") or seen[part["src"].get("dataKey") or part["src"]["contextKey"]]
        for part in http["payload"]
    }
    headers = {name.lower(): value for name, value in http["headers"].items()}
    (event,), batched = parse_events(headers, json.dumps(body).encode())
    assert not batched
    assert meaning(event) == DATA_ARRIVED
    assert event.extensions["loop"] == "flight-delay"
    assert event.id == ("m1" if source == "s3-sqs" else "e1")


def test_what_a_source_needs_is_asked_for() -> None:
    done = CliRunner().invoke(cli, ["render", LOOP, "--argo-events", "kafka", "--topic", "t"])
    assert done.exit_code == 2
    assert "--argo-events kafka needs --brokers" in done.output


def render(*options: str) -> Result:
    return CliRunner().invoke(cli, ["render", LOOP, "--argo-events", "webhook", *options])


def url(done: Result) -> str:
    assert done.exit_code == 0, done.output
    _, sensor = yaml.safe_load_all(done.output)
    return str(sensor["spec"]["triggers"][0]["template"]["http"]["url"])


def test_the_server_is_the_charts_service_in_the_loops_namespace() -> None:
    assert url(render("--namespace", "models")) == "http://tidemill.models.svc:8081/v1/namespaces/models/events"
    rendered_by_the_chart = yaml.safe_load_all(BASE.read_text())
    services = {d["metadata"]["name"]: d["spec"]["ports"] for d in rendered_by_the_chart if d["kind"] == "Service"}
    assert [port["port"] for port in services["tidemill"]] == [8081]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("https://tidemill.example.org", "https://tidemill.example.org/v1/namespaces/models/events"),
        ("http://localhost:8081", "http://tidemill.models.svc:8081/v1/namespaces/models/events"),
    ],
)
def test_a_profile_says_where_the_loop_is_but_for_what_is_forwarded_to_this_machine(
    tmp_path: Path, server: str, expected: str
) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(f"kind: Profile\nspec: {{server: {{url: '{server}', namespace: models}}}}\n")
    assert url(render("--profile", str(profile))) == expected
    assert url(render("--profile", str(profile), "--server", "http://a:1", "--namespace", "b")) == (
        "http://a:1/v1/namespaces/b/events"
    )


def test_every_secret_is_made_in_the_namespace_where_it_is_read() -> None:
    said = rendered("webhook")
    assert "# Apply it in namespace argo-events." in said
    assert "kubectl -n argo-events create secret generic sender \\\n" in said
    assert "$(kubectl -n ml create token tidemill-sender " in said
    assert "--clusterrole=tidemill-sender \\\n#     --serviceaccount=ml:tidemill-sender\n" in said
    assert "kubectl -n argo-events create secret generic tidemill-webhook --from-literal=token=" in said
    assert "kubectl -n argo-events create secret generic aws --from-literal=accesskey=" in rendered("s3-sqs")
    commands = [line for line in render("--events-namespace", "events").output.splitlines() if "secret generic" in line]
    assert all("kubectl -n events create" in line for line in commands)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--namespace", "Bad NS"),
        ("--events-namespace", "a_b"),
        ("--server", "nonsense"),
        ("--dlq", "ftp://x"),
        ("--port", "99999999"),
        ("--port", "0"),
        ("--endpoint", "arrived"),
        ("--token-secret", "My Secret"),
        ("--webhook-secret", ""),
        ("--brokers", "kafka"),
    ],
)
def test_what_cannot_work_is_refused_by_its_option(option: str, value: str) -> None:
    done = render(option, value)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"Invalid value for '{option}'" in done.stderr


def test_the_example_of_a_calendar_is_understood_by_argo() -> None:
    models = argo_models()
    *_, cron = yaml.safe_load_all((Path(LOOP).parents[2] / "manifests" / "cronworkflow-turn.yaml").read_text())
    assert all(len(schedule.split()) == 5 for schedule in cron["spec"]["schedules"])
    found = models.CronWorkflow.model_validate(cron).model_dump(by_alias=True, exclude_none=True, mode="json")
    assert found["spec"]["schedules"] == cron["spec"]["schedules"]
    given, back = cron["spec"]["workflowSpec"], found["spec"]["workflowSpec"]
    assert given.keys() == back.keys()
    assert given["templates"][0].keys() == back["templates"][0].keys()


if os.environ.get("TIDEMILL_GOLDEN") == "write":
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        (GOLDEN / f"argo-events-{case}.yaml").write_text(rendered(case))
