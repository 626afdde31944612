"""What a compiled pipeline becomes on Argo, and what is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_pipelines
import tidemill_pipelines
import yaml
from kfp.compiler import Compiler
from tidemill.adapters.argo.condition import when
from tidemill.adapters.argo.refused import NotTranslatable
from tidemill.adapters.argo.run import Run
from tidemill.adapters.argo.translate import read_ir, translate
from tidemill.adapters.argo.values import component_input, constant, encoded
from tidemill.adapters.step_settings import SecretEnv, StepSettings, TaskSettings
from tidemill.loop.errors import TidemillError

TRAINING = Path(tidemill_pipelines.__file__).with_name("training.yaml")
GOLDEN = Path(__file__).with_name("training.workflow.yaml")
SETTINGS = StepSettings(namespace="models", image="registry.example/tidemill/components:9")
WORK = "s3://bucket/models/flights/turns/0123456789abcdef"
RUN = Run("flights-0123456789abcdef", f"{WORK}/pipeline", 3600, "flights", "0123456789abcdef", WORK)
REQUEST = {"request_uri": f"{WORK}/request.json", "request_digest": "sha256:0"}


def ir(name: str, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / f"{name}.yaml"
    Compiler().compile(getattr(small_pipelines, name), str(path))
    return read_ir(path)


def translated(name: str, tmp_path: Path, settings: StepSettings = SETTINGS, **arguments: Any) -> dict[str, Any]:
    return translate(ir(name, tmp_path), RUN, arguments, settings)


def template(workflow: dict[str, Any], name: str) -> dict[str, Any]:
    return next(found for found in workflow["spec"]["templates"] if found["name"] == name)


def task(workflow: dict[str, Any], of: str, name: str) -> dict[str, Any]:
    return next(found for found in template(workflow, of)["dag"]["tasks"] if found["name"] == name)


def arguments(entry: dict[str, Any]) -> dict[str, str]:
    return {given["name"]: given["value"] for given in entry["arguments"]["parameters"]}


def option(workflow: dict[str, Any], step: str, name: str) -> str:
    words = template(workflow, step)["container"]["args"]
    return str(words[words.index(name) + 1])


def test_the_training_pipeline_becomes_the_committed_workflow() -> None:
    """After a change that is meant: write what is found into the file, and read the difference."""
    found = yaml.safe_dump(translate(read_ir(TRAINING), RUN, REQUEST, SETTINGS), width=120, sort_keys=False)
    assert found == GOLDEN.read_text(), f"{GOLDEN.name} is not what the pipeline is translated to"


def test_each_component_becomes_a_template_and_runs_the_command_that_was_compiled() -> None:
    compiled = read_ir(TRAINING)
    workflow = translate(compiled, RUN, REQUEST, SETTINGS)
    assert {found["name"] for found in workflow["spec"]["templates"]} == {
        "pipeline", *(name.removeprefix("comp-") for name in compiled["components"]),
    }  # fmt: skip
    container = compiled["deploymentSpec"]["executors"]["exec-train"]["container"]
    assert json.loads(option(workflow, "train", "--command")) == [*container["command"], *container["args"]]


def test_the_executor_input_is_json_once_its_tags_are_substituted() -> None:
    workflow = translate(read_ir(TRAINING), RUN, REQUEST, SETTINGS)
    text = option(workflow, "validate", "--executor_input")
    for name in ("request_uri", "request_digest", "data_digest", "dataset"):
        text = text.replace(f"{{{{inputs.parameters.{name}}}}}", encoded(f'a "{name}" {{{{b}}}}'))
    text = text.replace("{{inputs.parameters.tidemill-folder}}", "s3://b/p/validate")
    assert "{{" not in text
    found = json.loads(text)
    assert found["inputs"]["parameterValues"]["data_digest"] == 'a "data_digest" {{b}}'
    report = found["outputs"]["artifacts"]["report"]["artifacts"][0]
    assert (report["uri"], report["type"]["schemaTitle"]) == ("s3://b/p/validate/report", "system.HTML")


def test_no_constant_is_taken_for_a_tag_by_argo(tmp_path: Path) -> None:
    workflow = translated("values", tmp_path)
    assert "{{workflow.name}}" not in json.dumps(workflow)
    assert "{{=1+1}}" not in json.dumps(workflow)
    assert json.loads(arguments(task(workflow, "pipeline", "echo"))["text"]) == small_pipelines.NASTY


@pytest.mark.parametrize("value", ["a", 1, 2.5, True, None, {"a": {"b": [1]}}, "é \x7f {{x}} {{{y}}}", [[{}]]])
def test_a_value_travels_as_ascii_json_without_a_tag(value: Any) -> None:
    text = encoded(value)
    assert json.loads(text) == value
    assert text.isascii() and text.isprintable() and "{{" not in text


def test_a_condition_is_asked_of_what_the_task_is_given(tmp_path: Path) -> None:
    workflow = translate(read_ir(TRAINING), RUN, REQUEST, SETTINGS)
    sound = task(workflow, "pipeline", "condition-1")
    assert sound["when"] == '{{=fromJSON(tasks["validate"].outputs.parameters["Output"]) == "Passed"}}'
    workflow = translated("branches", tmp_path)
    branches = "condition-branches-1"
    assert task(workflow, branches, "condition-2")["when"] == (
        r'{{=inputs.parameters["pipelinechannel--number-Output"] startsWith "\u007b\u007b" ? false : '
        '(int ( fromJSON(inputs.parameters["pipelinechannel--number-Output"]) ) > 2)}}'
    )
    assert task(workflow, branches, "condition-4")["when"].count("! (") == 2


def test_a_text_in_a_condition_stays_that_text() -> None:
    values = {"x": component_input("x")}
    found = when("t", r"inputs.parameter_values['x'] == 'it\'s }} \"so\"'", values)
    assert found.endswith(r""" : (fromJSON(inputs.parameters["x"]) == "it's \u007d\u007d \"so\"")}}""")


@pytest.mark.parametrize("condition", ["size(inputs.parameter_values['x']) > 1", "inputs.parameter_values['y'] == 1",
                                       "inputs.parameter_values['x'] in ['a']"])  # fmt: skip
def test_a_condition_that_is_not_understood_is_refused(condition: str) -> None:
    with pytest.raises(NotTranslatable, match=r"Task t uses .*condition"):
        when("t", condition, {"x": constant(1)})


def test_what_follows_a_producer_needs_it_and_what_follows_a_skipped_branch_runs(tmp_path: Path) -> None:
    workflow = translate(read_ir(TRAINING), RUN, REQUEST, SETTINGS)
    assert task(workflow, "condition-1", "evaluate")["depends"] == "features.Succeeded && train.Succeeded"
    assert "depends" not in task(workflow, "pipeline", "ingest")
    workflow = translated("settings", tmp_path)
    assert task(workflow, "pipeline", "shell-2")["depends"] == "(say.Succeeded || say.Skipped)"


def test_a_loop_counts_in_a_template_of_its_own_and_its_body_picks(tmp_path: Path) -> None:
    workflow = translated("loops", tmp_path)
    counting = template(workflow, "for-loop-1")
    (each,) = counting["dag"]["tasks"]
    assert counting["parallelism"] == 2
    items = 'inputs.parameters["pipelinechannel--items"]'
    assert each["withSequence"]["count"].endswith(f"? 0 : (len(fromJSON({items})))}}}}")
    assert arguments(each)["tidemill-folder"] == "{{inputs.parameters.tidemill-folder}}/{{item}}"
    picked = arguments(task(workflow, each["template"], "write"))["text"]
    place = '[int(inputs.parameters["tidemill-index"])]'
    assert picked.endswith(f'? "null" : (toJson(fromJSON({items}){place}))}}}}')


def test_the_field_of_a_loops_item_is_picked(tmp_path: Path) -> None:
    workflow = translated("loops", tmp_path)
    body = next(t for t in workflow["spec"]["templates"] if t["name"].endswith("-each") and "each" in t["name"]
                and any('["t"]' in str(entry) for entry in t.get("dag", {}).get("tasks", [])))  # fmt: skip
    assert any('["t"]))}}' in value for entry in body["dag"]["tasks"] for value in arguments(entry).values())


def test_a_nested_pipeline_hands_out_what_its_tasks_made(tmp_path: Path) -> None:
    workflow = translated("nested", tmp_path)
    outputs = {found["name"]: found["valueFrom"] for found in template(workflow, "inner")["outputs"]["parameters"]}
    assert outputs["said"] == {"parameter": "{{tasks.say.outputs.parameters.said}}".replace(".said}", ".Output}")}
    assert outputs["data"] == {"parameter": "{{tasks.write.outputs.parameters.data}}"}
    inner, again = (arguments(task(workflow, "pipeline", name)) for name in ("inner", "inner-2"))
    assert (inner["word"], again["mark"]) == ("{{inputs.parameters.word}}", '"?"')
    assert {"default": '"!"', "name": "mark"} in template(workflow, "inner")["inputs"]["parameters"]


def test_one_of_several_branches_is_the_one_that_ran(tmp_path: Path) -> None:
    workflow = translated("one_of", tmp_path)
    (output,) = template(workflow, "condition-branches-1")["outputs"]["parameters"]
    assert output["valueFrom"]["expression"].startswith("tasks['condition-2'].status == 'Succeeded' ? ")


def test_what_a_pipeline_sets_for_a_step_goes_before_the_installations_settings(tmp_path: Path) -> None:
    settings = replace(
        SETTINGS,
        env={"A": "installation", "REGION": "x"},
        secrets=(SecretEnv("store", ("KEY",)), SecretEnv("all")),
        resources={"requests": {"cpu": "100m"}, "limits": {"cpu": "4"}},
        tasks={"shell": TaskSettings(resources={"limits": {"cpu": "2"}}, node_selector={"pool": "gpu"})},
    )
    workflow = translated("settings", tmp_path, settings)
    said, shell = template(workflow, "say"), template(workflow, "shell")
    env = {entry["name"]: entry for entry in said["container"]["env"]}
    assert (env["A"]["value"], env["REGION"]["value"]) == ("b", "x")
    assert env["KEY"]["valueFrom"]["secretKeyRef"] == {"name": "store", "key": "KEY"}
    assert said["container"]["envFrom"] == [{"secretRef": {"name": "all"}}]
    assert said["container"]["resources"] == {
        "requests": {"cpu": "100m", "memory": "64M"}, "limits": {"cpu": "1", "memory": "512M"},
    }  # fmt: skip
    assert shell["container"]["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}}
    assert (shell["nodeSelector"], said.get("nodeSelector")) == ({"pool": "gpu"}, None)
    assert said["retryStrategy"]["limit"] == "2"
    assert said["retryStrategy"]["backoff"]["duration"] == "1s"


def test_our_components_get_the_installations_image_and_others_keep_theirs(tmp_path: Path) -> None:
    workflow = translated("settings", tmp_path, replace(SETTINGS, image="mine:1"))
    assert template(workflow, "say")["container"]["image"] == "mine:1"
    compiled = ir("settings", tmp_path)
    for executor in compiled["deploymentSpec"]["executors"].values():
        executor["container"]["image"] = "theirs/tidemill/components-too:1"
    workflow = translate(compiled, RUN, {}, SETTINGS)
    assert template(workflow, "say")["container"]["image"] == "theirs/tidemill/components-too:1"


def test_steps_satisfy_the_restricted_pod_security_standard() -> None:
    workflow = translate(read_ir(TRAINING), RUN, REQUEST, SETTINGS)
    pod = workflow["spec"]["securityContext"]
    assert pod == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    patch = json.loads(workflow["spec"]["podSpecPatch"])
    steps = [found["container"] for found in workflow["spec"]["templates"] if "container" in found]
    for container in [*steps, *patch["initContainers"], *patch["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["runAsNonRoot"] is True
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in steps)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("collects", r"Task total uses what the loop for-loop-\d collects \(dsl.Collected\)"),
        ("lists", r"Task many uses what the loop for-loop-\d collects"),
        ("exits", "Task say uses the trigger strategy ALL_UPSTREAM_TASKS_COMPLETED"),
        ("ignores", "Task say-2 uses the trigger strategy"),
        ("imports", "Task importer uses an executor of the kind `importer`"),
    ],
)
def test_what_argo_is_not_given_is_refused_by_task_and_name(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(NotTranslatable, match=said):
        translated(name, tmp_path)


def test_an_image_that_is_known_only_when_it_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotTranslatable, match="Task say uses a value of the run in its image"):
        translated("image_of_the_run", tmp_path, image="x")


def test_what_a_later_kfp_may_write_is_refused_rather_than_left_out(tmp_path: Path) -> None:
    for change, said in (
        (lambda found: found["root"]["dag"]["tasks"]["say"].update(futureSetting={}), "the setting `futureSetting`"),
        (lambda found: found["deploymentSpec"]["executors"]["exec-say"]["container"].update(gpu=1), "`gpu`"),
        (lambda found: found.update(platforms={}), "the section `platforms`"),
    ):
        compiled = ir("settings", tmp_path)
        change(compiled)
        with pytest.raises(NotTranslatable, match=said):
            translate(compiled, RUN, {}, SETTINGS)


def test_settings_of_kfp_kubernetes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "platform.yaml"
    path.write_text(TRAINING.read_text() + "---\nplatforms: {kubernetes: {}}\n")
    with pytest.raises(NotTranslatable, match="kfp-kubernetes"):
        read_ir(path)


def test_parameters_are_those_that_the_pipeline_has(tmp_path: Path) -> None:
    with pytest.raises(TidemillError, match="has no parameter x; it has n, word"):
        translated("branches", tmp_path, x=1)
    with pytest.raises(TidemillError, match="needs its parameter request_uri"):
        translate(read_ir(TRAINING), RUN, {"request_digest": "sha256:0"}, SETTINGS)


def test_a_root_that_would_break_the_workflows_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TidemillError, match="Artifacts cannot go below"):
        translate(read_ir(TRAINING), replace(RUN, root='s3://b/a"b'), REQUEST, SETTINGS)
