"""Where a loop's things are, by the Profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_double import ApiDouble
from small_world import model_loop
from tidemill.adapters.notifiers import NoNotifier
from tidemill.adapters.sql.database import Database
from tidemill.controller.place import Place
from tidemill.controller.wanted import Owner
from tidemill.loop.errors import TidemillError
from tidemill.spec.model_loop import ModelLoop
from tidemill.spec.profile import ProfileSpec

STEPS = {"image": "example/steps:1"}
KUBEFLOW = {"kubeflow": {"endpoint": "http://127.0.0.1:9", "steps": STEPS}}
SERVING = {"deployments": {"image": "example/models:1"}}


def place(folder: Path, serves: frozenset[str] = frozenset(), **changed: Any) -> Place:
    document = {
        "storage": (folder / "store").as_uri(),
        "tracking": f"sqlite:///{folder}/mlflow.db",
        "pipelines": KUBEFLOW,
        "serving": SERVING,
        **changed,
    }
    api: Any = ApiDouble()
    api.kinds = lambda version: set(serves)
    return Place(ProfileSpec.model_validate(document), Database(f"sqlite:///{folder}/state.db"), api, "home")


@pytest.mark.parametrize(("namespace", "prefix"), [("home", ""), ("team", "team.")])
def test_a_loop_has_a_folder_of_its_own_and_its_namespace_in_shared_names(
    tmp_path: Path, namespace: str, prefix: str
) -> None:
    context = place(tmp_path).context(model_loop(), Owner(namespace, "small", "u"), NoNotifier())
    assert context.prefix == prefix
    assert context.root == (tmp_path / "store" / namespace / "small").as_uri()
    assert context.image == "example/steps:1"
    assert context.state.documents("small", "turn") == []


def test_the_image_of_the_loop_goes_before_the_installation_s(tmp_path: Path) -> None:
    loop = model_loop()
    named = loop.spec.model.model_copy(update={"image": "team/model:2"})
    loop = loop.model_copy(update={"spec": loop.spec.model_copy(update={"model": named})})
    context = place(tmp_path).context(loop, Owner("team", "small", "u"), NoNotifier())
    assert context.image == "team/model:2"


@pytest.mark.parametrize(("given", "runs"), [({}, "kubeflow"), ({"userNamespace": "alice"}, "alice")])
def test_why_a_run_failed_is_asked_where_its_pods_are(tmp_path: Path, given: dict[str, str], runs: str) -> None:
    """Whoever finds no Pod takes the run for lost, and submits it again."""
    there = place(tmp_path, pipelines={"kubeflow": {**KUBEFLOW["kubeflow"], **given}})
    asked: list[str] = []
    api: Any = there.api
    api.list = lambda version, kind, namespace, selector: asked.append(namespace) or {"items": []}
    pipelines: Any = there.context(model_loop(), Owner("team", "small", "u"), NoNotifier()).ports.pipelines
    pipelines._explain("run")
    assert set(asked) == {runs}
    asked.clear()
    assert pipelines._images("run") == {}
    assert asked == [runs]


def naming(secret: str) -> ModelLoop:
    document = model_loop().model_dump(by_alias=True, mode="json", exclude_none=True)
    document["spec"]["resources"] = {"train": {"secrets": [{"name": secret, "keys": ["KEY"]}]}}
    return ModelLoop.model_validate(document)


def kubeflow(**more: Any) -> dict[str, Any]:
    return {"kubeflow": {**KUBEFLOW["kubeflow"], **more}}


@pytest.mark.parametrize(
    ("pipelines", "elsewhere"),
    [
        (kubeflow(), "kubeflow"),
        (kubeflow(steps={**STEPS, "allowedSecrets": ["another"]}), "kubeflow"),
        (kubeflow(namespace="team", userNamespace="others"), "others"),
        ({"argo": {"namespace": "runs", "steps": STEPS}}, "runs"),
    ],
)
def test_a_loop_gets_no_secret_of_another_namespace_than_its_own(
    tmp_path: Path, pipelines: dict[str, Any], elsewhere: str
) -> None:
    made = place(tmp_path, frozenset({"Workflow"}), pipelines=pipelines)
    with pytest.raises(TidemillError) as refused:
        made.context(naming("licence"), Owner("team", "small", "u"), NoNotifier())
    assert f"its steps run in {elsewhere}:" in str(refused.value)
    assert "licence (spec.resources.train.secrets)" in str(refused.value)
    assert "pipelines.steps.allowedSecrets" in str(refused.value)
    assert made.context(model_loop(), Owner("team", "small", "u"), NoNotifier()), "others go on"


@pytest.mark.parametrize(
    "pipelines",
    [
        kubeflow(steps={**STEPS, "allowedSecrets": ["licence"]}),
        kubeflow(namespace="team"),
        kubeflow(namespace="team", userNamespace="team"),
        {"argo": {"steps": STEPS}},
        {"argo": {"namespace": "team", "steps": STEPS}},
    ],
)
def test_a_loop_gets_the_secrets_of_its_own_namespace_and_those_that_are_allowed(
    tmp_path: Path, pipelines: dict[str, Any]
) -> None:
    made = place(tmp_path, frozenset({"Workflow"}), pipelines=pipelines)
    ports: Any = made.context(naming("licence"), Owner("team", "small", "u"), NoNotifier()).ports
    assert [secret.secret for secret in ports.pipelines._settings.of("train").secrets] == ["licence"]


def test_model_servers_get_the_named_keys_of_the_installations_secrets(tmp_path: Path) -> None:
    pods = {"image": "example/models:1", "secrets": [{"name": "store", "keys": ["KEY"]}, {"name": "usual"}]}
    ports: Any = place(tmp_path, serving={"deployments": pods}).context(
        model_loop(), Owner("team", "small", "u"), NoNotifier()
    ).ports  # fmt: skip
    given = [(secret.secret, secret.keys) for secret in ports.serving._serving.secrets]
    assert given == [("store", ("KEY",)), ("usual", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"storage": None}, "the Profile must name `storage`"),
        ({"tracking": None}, "the Profile must name `storage`"),
        ({"pipelines": {}}, "Plain Jobs are not offered"),
        ({"pipelines": {"argo": {"steps": STEPS}}}, "argo"),
        ({"serving": {}}, "serving.deployments"),
    ],
)
def test_a_profile_that_cannot_do_is_refused_in_a_sentence(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(TidemillError, match=said):
        place(tmp_path, **changed).context(model_loop(), Owner("team", "small", "u"), NoNotifier())


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        ({}, "must name `storage`"),
        ({"storage": "s3://b/x", "tracking": "http://mlflow"}, "nothing that runs turns"),
        ({"storage": "s3://b/x", "tracking": "http://mlflow", "pipelines": {"argo": {"steps": {"image": "i:1"}}}},
         "nothing that serves versions"),
    ],
)  # fmt: skip
def test_a_profile_that_lacks_something_is_refused_when_the_controller_starts(
    spec: dict[str, Any], missing: str
) -> None:
    nothing: Any = None
    with pytest.raises(TidemillError, match=missing):
        Place(ProfileSpec.model_validate(spec), nothing, nothing, "models")
