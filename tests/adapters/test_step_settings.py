"""What a task is given: its own before that of all."""

from __future__ import annotations

from tidemill.adapters.step_settings import SecretEnv, StepSettings, TaskSettings

SETTINGS = StepSettings(
    namespace="kubeflow",
    secrets=(SecretEnv("storage"),),
    resources={"requests": {"cpu": "100m", "memory": "256Mi"}},
    node_selector={"pool": "batch"},
    tasks={
        "train": TaskSettings(
            {"requests": {"cpu": "2"}, "limits": {"nvidia.com/gpu": "1"}},
            {"gpu": "a100"},
            (SecretEnv("licence"), SecretEnv("storage")),
        )
    },
)


def test_a_task_without_settings_of_its_own_has_those_of_all() -> None:
    assert SETTINGS.of("ingest") == TaskSettings(SETTINGS.resources, SETTINGS.node_selector, SETTINGS.secrets)


def test_each_resource_and_label_of_its_own_goes_before_that_of_all() -> None:
    own = SETTINGS.of("train")
    assert own.resources == {"limits": {"nvidia.com/gpu": "1"}, "requests": {"cpu": "2", "memory": "256Mi"}}
    assert own.node_selector == {"pool": "batch", "gpu": "a100"}
    assert own.secrets == (SecretEnv("storage"), SecretEnv("licence"))
