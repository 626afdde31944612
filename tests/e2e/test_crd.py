"""A real API server refuses what `tidemill validate` refuses, with the same words, and keeps the rest as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from loops import IMPOSSIBLE, LOOP, SPOILT, impossible, spoilt
from real_cluster import Cluster
from tidemill.spec import crd
from tidemill.spec.errors import Problem, SpecError
from tidemill.spec.from_cluster import from_cluster
from tidemill.spec.loading import load_loop
from tidemill.spec.model_loop import ModelLoop

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
WRONG = [spoilt(old, new) for old, new, _ in SPOILT] + [impossible(line) for line, _ in IMPOSSIBLE]
# What a schema says, the API server says in its own words, of the same field; and kubectl, of what is no YAML for it.
ITS_OWN = [
    (r"^unknown field$", r'unknown field "{field}"'),
    (r"^this field is missing$", r"{field}: Required value|kind not set"),
    (r"is not (text|a list|a mapping|a whole number)", r"{field} in body must be of type"),
    (r"^\d+ is not (a duration|a rate)", r"{field} in body must be of type string"),
    (r"^0 is not at least 1$", r"{field} in body should be greater than or equal to 1"),
    (r"^the list is empty$", r"{field} in body should have at least 1 items"),
    (r"^'' is not a name$", r"{field} in body should be at least 1 chars long"),
    (r"^nan is not a finite number$", r"unsupported value: NaN"),
    (r"^'\w+' is not alert or retrain$", r'{field}: Unsupported value: "\w+": supported values: "alert", "retrain"'),
    (r"is not (tidemill.dev/v1alpha1|ModelLoop)$|no ModelLoop here", r"no matches for kind"),
    # Two types in one field: nothing but the schema is asked.
    (r"neither a mapping nor off$", r'{field}: Unsupported value: "of": supported values: "off", "false"'),
    (r"^falseAlarms must lie between", r"{field}.falseAlarms in body should match"),
]
# Kubernetes drops a field without a value, which means the same as leaving it out.
DROPPED = "there is nothing here"


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        load_loop(path)
    return caught.value.problems


def says(said: str, problem: Problem) -> bool:
    """Whether the API server's text holds that problem."""
    if problem.message in said:
        return True
    if problem.field == "spec.data.gate.falseAlarm":  # nothing is pruned there, so that all of the gate is refused
        return "spec.data.gate: Unsupported value" in said
    field = re.escape(problem.field)
    found = [theirs for ours, theirs in ITS_OWN if re.search(ours, problem.message)]
    return any(re.search(theirs.replace("{field}", field), said) for theirs in found)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "loop.yaml"
    path.write_text(text)
    return path


def test_the_api_server_keeps_both_kinds_and_finds_no_fault_with_their_schemas(kinds: Cluster) -> None:
    for kind in crd.KINDS:
        found = kinds.read("crd", f"{kind.plural}.{crd.GROUP}")
        conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
        assert (conditions["Established"], conditions["NamesAccepted"]) == ("True", "True")
        assert "NonStructuralSchema" not in conditions
        # The API server refuses a schema whose rules might cost too much, and reads what is left out as absent.
        sent = crd.definition(kind)["spec"]["versions"][0]
        assert found["spec"]["versions"][0]["schema"] == sent["schema"]


@pytest.mark.parametrize("text", WRONG, ids=[case[-2] for case in [*SPOILT, *IMPOSSIBLE]])
def test_what_validate_refuses_the_api_server_refuses_with_the_same_words(
    kinds: Cluster, tmp_path: Path, text: str
) -> None:
    path = written(tmp_path, text)
    expected = problems(path)
    answer = kinds.kubectl("apply", "--dry-run=server", "-f", path)
    if [problem.message for problem in expected] == [DROPPED]:
        assert answer.returncode == 0
        return
    assert answer.returncode != 0, answer.stdout
    # Unknown fields are told before anything else is looked at.
    told = [problem for problem in expected if "strict decoding" not in answer.stderr or "unknown" in problem.message]
    assert [problem for problem in told if not says(answer.stderr, problem)] == [], answer.stderr


def test_the_cases_break_every_rule_that_there_is(kinds: Cluster, tmp_path: Path) -> None:
    """So that no rule stands in CEL alone, untried."""
    heard = "".join(kinds.kubectl("apply", "--dry-run=server", "-f", written(tmp_path, text)).stderr for text in WRONG)
    sentences = set(_sentences(crd.definition(crd.KINDS[0])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
    assert len(sentences) > 20
    assert {sentence for sentence in sentences if sentence not in heard} == set()


def _sentences(schema: dict[str, Any]) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["message"].removeprefix("this ") if "messageExpression" in rule else rule["message"]
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from _sentences(inner)


def _template() -> str:
    text = (ROOT / "platform" / "tidemill" / "cli" / "template" / "loop.yaml").read_text()
    return Template(text).substitute(name="visits")


@pytest.mark.parametrize(
    "text",
    [LOOP, (ROOT / "examples" / "flights" / "loop.yaml").read_text(), _template()],
    ids=["test", "flights", "init"],
)
def test_a_valid_loop_is_kept_as_it_was_written(kinds: Cluster, namespace: str, tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    kinds.done("apply", "-n", namespace, "-f", path)
    loop = load_loop(path)
    found = kinds.read("modelloop", loop.metadata.name, "-n", namespace)
    assert found["spec"] == yaml.safe_load(text)["spec"]
    assert from_cluster(found, ModelLoop) == loop
    assert "unchanged" in kinds.done("apply", "-n", namespace, "-f", path)


def test_a_loop_with_all_its_defaults_written_out_is_kept_too(kinds: Cluster, namespace: str, tmp_path: Path) -> None:
    loop = load_loop(written(tmp_path, LOOP))
    document = loop.model_dump(mode="json", by_alias=True, exclude_none=True)
    kinds.done("apply", "-n", namespace, "-f", "-", input=json.dumps(document))
    assert kinds.read("modelloop", "visits", "-n", namespace)["spec"] == document["spec"]


@pytest.mark.parametrize("gate", ["off", "'off'", "false"])
def test_a_gate_that_is_off_is_off_however_kubectl_reads_it(
    kinds: Cluster, namespace: str, tmp_path: Path, gate: str
) -> None:
    path = written(tmp_path, spoilt("key: visit_id", f"gate: {gate}\n    key: visit_id"))
    kinds.done("apply", "-n", namespace, "-f", path)
    found = kinds.read("modelloop", "visits", "-n", namespace)
    assert load_loop(path).spec.data.gate == "off"
    assert from_cluster(found, ModelLoop).spec.data.gate == "off"


def test_an_empty_mapping_is_dropped_and_means_the_defaults(kinds: Cluster, namespace: str, tmp_path: Path) -> None:
    path = written(tmp_path, spoilt("newData: {growth: 25%}", "limits:"))
    kinds.done("apply", "-n", namespace, "-f", path)
    assert "limits" not in kinds.read("modelloop", "visits", "-n", namespace)["spec"].get("triggers", {})


def test_who_does_not_ask_for_strict_validation_loses_unknown_fields(
    kinds: Cluster, namespace: str, tmp_path: Path
) -> None:
    """What docs/kinds.md says of the ways to send an object."""
    path = written(tmp_path, spoilt("growth: 25%", "growht: 25%"))
    message = 'unknown field "spec.triggers.newData.growht"'
    assert message in kinds.kubectl("apply", "-n", namespace, "-f", path).stderr
    assert message in kinds.kubectl("create", "-n", namespace, "-f", path).stderr
    by_server = kinds.kubectl("apply", "-n", namespace, "--server-side", "--validate=ignore", "-f", path)
    assert ".spec.triggers.newData.growht: field not declared in schema" in by_server.stderr
    assert "No resources found" in kinds.kubectl("get", "modelloop", "-n", namespace).stderr

    warned = kinds.kubectl("apply", "-n", namespace, "--validate=warn", "-f", path)
    assert (warned.returncode, message in warned.stderr) == (0, True)
    assert kinds.read("modelloop", "visits", "-n", namespace)["spec"]["triggers"] == {"newData": {}}

    kinds.done("delete", "modelloop", "visits", "-n", namespace)
    silent = kinds.kubectl("apply", "-n", namespace, "--validate=ignore", "-f", path)
    assert (silent.returncode, silent.stderr) == (0, "")


def test_kubectl_explains_every_field_in_the_words_of_the_reference(kinds: Cluster) -> None:
    rollout = " ".join(kinds.done("explain", "modelloop.spec.rollout").split())
    assert "How a challenger earns its place." in rollout
    assert "maxDuration <string> After this a rollout without a verdict is inconclusive." in rollout
    assert "A duration, such as 6h, 14d or 1h30m. Default: 28d." in rollout
    assert "enum: pause, abort, promote" in rollout
    steps = " ".join(kinds.done("explain", "ml.spec.rollout.steps.canary").split())
    assert "Share of keys that the challenger answers. A percentage, such as 25%." in steps
    assert "true: send the challenger away" in kinds.done("explain", "mr.spec.abort")
    for kind in crd.KINDS:
        assert "<no description>" not in kinds.done("explain", f"{kind.plural}.spec", "--recursive")
