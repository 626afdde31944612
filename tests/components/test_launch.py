"""The launcher of a step on Argo: a component run by it ends as Kubeflow's own backends would have it end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from tidemill.loop.turn import files
from tidemill_components import launch
from tidemill_components.launching.artifacts import _opened, path_of
from tidemill_components.launching.placeholders import resolved


@pytest.fixture(autouse=True)
def our_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A component's command says `python3`: the one that runs these tests."""
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def executor_input(
    tmp_path: Path, parameters: dict[str, Any], artifacts: dict[str, str], **outputs: str
) -> dict[str, Any]:
    """`outputs` are by name: `parameter`, or the schema title of an artifact."""
    work, folder = tmp_path / "work", (tmp_path / "store" / "step").as_uri()
    made = {name: kind for name, kind in outputs.items() if kind != "parameter"}
    return {
        "inputs": {"parameterValues": parameters, "artifacts": artifacts},
        "outputs": {
            "parameters": {n: {"outputFile": f"{work}/outputs/{n}"} for n in outputs if n not in made},
            "artifacts": {
                name: {"artifacts": [{"uri": f"{folder}/{name}", "name": name, "metadata": {},
                                      "type": {"schemaTitle": kind, "schemaVersion": "0.0.1"}}]}
                for name, kind in made.items()
            },
            "outputFile": f"{work}/executor_output.json",
        },
    }  # fmt: skip


def launched(tmp_path: Path, given: dict[str, Any], command: list[str], types: dict[str, str]) -> int:
    return launch.main(
        ["--executor_input", json.dumps(given), "--output_types", json.dumps(types), "--command", json.dumps(command),
         "--folder", (tmp_path / "store" / "step").as_uri()]
    )  # fmt: skip


def command_of(component: Any) -> list[str]:
    container = component.component_spec.implementation.container
    return [*container.command, *container.args]


def handed_on(tmp_path: Path, name: str) -> Any:
    """What Argo reads."""
    return json.loads((tmp_path / "work" / "argo" / name).read_text())


@dsl.component(base_image="any", install_kfp_package=False)
def make(word: str, times: int, data: dsl.Output[dsl.Dataset], note: str = "none") -> str:
    from pathlib import Path

    Path(data.path).mkdir()
    (Path(data.path) / "words.txt").write_text(f"{word} {note} " * times)
    data.metadata["times"] = times
    return word.upper()


@dsl.component(base_image="any", install_kfp_package=False)
def use(data: dsl.Input[dsl.Dataset], told: dsl.OutputPath(bool)) -> float:  # type: ignore[valid-type]
    from pathlib import Path

    assert (Path(data.path) / "words.txt").read_text() == "a none a none "
    Path(told).write_text("True")
    return data.metadata["times"] + 0.5


def test_what_one_step_makes_the_next_one_finds_with_its_metadata(tmp_path: Path) -> None:
    first = executor_input(
        tmp_path, {"word": "a", "times": 2, "note": None}, {}, data="system.Dataset", Output="parameter"
    )
    assert launched(tmp_path, first, command_of(make), {"Output": "STRING"}) == 0
    assert handed_on(tmp_path, "Output") == "A"
    reference = handed_on(tmp_path, "data")
    assert reference == (tmp_path / "store" / "step").as_uri() + "/executor_output.json#data"
    second = executor_input(tmp_path, {}, {"data": reference}, Output="parameter", told="parameter")
    assert launched(tmp_path, second, command_of(use), {"Output": "NUMBER_DOUBLE", "told": "BOOLEAN"}) == 0
    assert handed_on(tmp_path, "Output") == 2.5
    assert handed_on(tmp_path, "told") is True


def test_what_goes_to_argo_holds_no_tag_of_its_own(tmp_path: Path) -> None:
    given = executor_input(
        tmp_path, {"word": "{{workflow.name}}", "times": 1}, {}, data="system.Dataset", Output="parameter"
    )
    assert launched(tmp_path, given, command_of(make), {"Output": "STRING"}) == 0
    assert "{{" not in (tmp_path / "work" / "argo" / "Output").read_text()
    assert handed_on(tmp_path, "Output") == "{{WORKFLOW.NAME}}"


def test_what_an_earlier_attempt_left_is_gone(tmp_path: Path) -> None:
    left = tmp_path / "store" / "step" / "data"
    left.mkdir(parents=True)
    (left / "half.txt").touch()
    given = executor_input(tmp_path, {"word": "a", "times": 1}, {}, data="system.Dataset", Output="parameter")
    assert launched(tmp_path, given, command_of(make), {"Output": "STRING"}) == 0
    assert [path.name for path in left.iterdir()] == ["words.txt"]


def test_a_component_that_fails_hands_nothing_on_and_keeps_its_exit_code(tmp_path: Path) -> None:
    given = executor_input(tmp_path, {}, {}, data="system.Dataset")
    assert launched(tmp_path, given, ["sh", "-c", "exit 7"], {}) == 7
    assert launched(tmp_path, given, ["sh", "-c", "kill -9 $$"], {}) == 137
    assert not (tmp_path / "work" / "argo").exists()
    assert not (tmp_path / "store" / "step" / "executor_output.json").exists()


def test_a_container_component_gets_its_values_where_it_names_them(tmp_path: Path) -> None:
    given = executor_input(tmp_path, {"text": "a b", "n": 2}, {}, data="system.Dataset", out="parameter")
    command = ["sh", "-c", 'printf "$1" > "$2"; echo "$3" > "$4"', "x",
               '{"Concat": ["{{$.inputs.parameters[\'text\']}}", '
               '" x", "{{$.inputs.parameters[\'n\']}}"]}', "{{$.outputs.parameters['out'].output_file}}",
               "{{$.outputs.artifacts['data'].uri}}", "{{$.outputs.artifacts['data'].path}}"]  # fmt: skip
    assert launched(tmp_path, given, command, {"out": "STRING"}) == 0
    assert handed_on(tmp_path, "out") == "a b x2"
    assert (tmp_path / "store" / "step" / "data").is_file()


def test_a_branch_of_the_command_is_chosen_by_what_was_given(tmp_path: Path) -> None:
    optional = '{"IfPresent": {"InputName": "n", "Then": ["--n", "{{$.inputs.parameters[\'n\']}}"], "Else": ["--all"]}}'
    given = executor_input(tmp_path, {"n": 3}, {})
    assert resolved(["x", optional], given) == ["x", "--n", "3"]
    assert resolved(["x", optional], executor_input(tmp_path, {}, {})) == ["x", "--all"]


def test_a_text_made_of_other_inputs_is_made_first(tmp_path: Path) -> None:
    text = "hello {{$.inputs.parameters['pipelinechannel--a-Output']}}"
    given = executor_input(tmp_path, {"msg": text, "pipelinechannel--a-Output": "you"}, {})
    whole = json.loads(resolved(["{{$}}"], given)[0])
    assert whole["inputs"]["parameterValues"]["msg"] == "hello you"


def test_a_placeholder_that_is_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"\.pipeline_job_name\}\} in the component's command is unknown"):
        resolved(["{{$.pipeline_job_name}}"], executor_input(tmp_path, {}, {}))


@pytest.mark.parametrize(
    ("uri", "path"),
    [("s3://b/k", "/s3/b/k"), ("gs://b/k", "/gcs/b/k"), ("file:///a/b%20c", "/a/b c"), ("/a/b", "/a/b")],
)
def test_an_artifact_lies_where_kfp_looks_for_it(uri: str, path: str) -> None:
    assert path_of(uri) == path
    if not uri.startswith("file:"):
        assert dsl.Artifact(uri=uri).path == path


def test_a_step_that_is_told_to_end_ends_its_component(tmp_path: Path) -> None:
    given = executor_input(tmp_path, {}, {})
    began = tmp_path / "began"
    command = ["sh", "-c", f"echo $$ > {began}.part; mv {began}.part {began}; sleep 60; true"]
    words = [sys.executable, "-m", "tidemill_components.launch", "--executor_input", json.dumps(given), "--folder",
             (tmp_path / "store").as_uri(), "--output_types", "{}", "--command", json.dumps(command)]  # fmt: skip
    launcher = subprocess.Popen(
        words, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while not began.exists():
        assert launcher.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    launcher.send_signal(signal.SIGTERM)
    _, said = launcher.communicate(timeout=30)
    assert launcher.returncode == 128 + signal.SIGTERM, said
    assert not Path(f"/proc/{began.read_text().strip()}").exists()


def test_the_store_of_artifacts_is_told_the_region_that_the_pod_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore reads AWS_DEFAULT_REGION alone, and a store that checks the region of a signature answers 400."""
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(files, "_stores", {})
    monkeypatch.setenv("AWS_DEFAULT_REGION", "forgotten")  # put back, whatever is set meanwhile
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    for name, value in {"AWS_REGION": "minio", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    store, name = _opened("s3://bucket/loop/turns/1")
    store.connect()
    assert (store.s3.meta.region_name, name) == ("minio", "bucket/loop/turns/1")
