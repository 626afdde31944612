"""Where and as what a turn's steps run: what the pipeline cannot know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COMPONENTS_IMAGE = "tidemill/components"  # what our own components were compiled with, whatever the tag


@dataclass(frozen=True)
class SecretEnv:
    """Keys of a Secret as environment variables of the same name; all of them where no key is named."""

    secret: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskSettings:
    """What one task is given: Kubernetes resource requirements (`requests`, `limits`), labels of its node, Secrets."""

    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretEnv, ...] = ()


@dataclass(frozen=True)
class StepSettings:
    """`image` stands for Tidemill's own components; a step with another image keeps it. `tasks` says, by name, what one
    task is given besides; what a pipeline sets for a task itself goes before all of it. `ttl` is how many seconds an
    ended Workflow, its Pods and their logs are kept."""

    namespace: str
    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    service_account: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretEnv, ...] = ()
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    run_as_user: int | None = None  # needed where the image's USER is a name, not a number
    volumes: Sequence[Mapping[str, Any]] = ()  # Kubernetes volumes, for storage that is a file system
    volume_mounts: Sequence[Mapping[str, Any]] = ()
    ttl: int = 7 * 24 * 3600
    tasks: Mapping[str, TaskSettings] = field(default_factory=dict)

    def of(self, task: str) -> TaskSettings:
        """What the task is given in all: each resource and label of its own goes before that of all."""
        own = self.tasks.get(task, TaskSettings())
        kinds = {*self.resources, *own.resources}
        return TaskSettings(
            {kind: {**self.resources.get(kind, {}), **own.resources.get(kind, {})} for kind in sorted(kinds)},
            {**self.node_selector, **own.node_selector},
            (*self.secrets, *(secret for secret in own.secrets if secret not in self.secrets)),
        )

    def image_of(self, compiled: str) -> str:
        ours = compiled.rpartition(":")[0] == COMPONENTS_IMAGE
        return self.image if ours and self.image else compiled
