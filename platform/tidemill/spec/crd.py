"""The CustomResourceDefinitions of ModelLoop and ModelRollout, made from the models.

python -m tidemill.spec.crd FOLDER     # `make crds` writes those of the chart
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from .cel_rules import form_validation
from .described import docstring, sentence
from .forms import NAME
from .loop_status import ModelLoopStatus
from .model_loop import ModelLoop, ModelLoopSpec
from .model_rollout import ModelRollout, ModelRolloutSpec, ModelRolloutStatus
from .structural import RULES, structural

GROUP, VERSION = "tidemill.dev", "v1alpha1"
_NOTE = "# Made by `make crds` from platform/tidemill/spec; edit that.\n"
_AGE = ("Age", "date", ".metadata.creationTimestamp")


def _condition(type: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{type}")].{field}'


@dataclass(frozen=True)
class Kind:
    """What is not said by the model. A column is name, type and path; those after Age show with `-o wide`."""

    model: type[BaseModel]
    spec: type[BaseModel]
    status: type[BaseModel]
    plural: str
    short: str
    columns: tuple[tuple[str, str, str], ...]
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.model.__name__


KINDS = (
    Kind(
        ModelLoop,
        ModelLoopSpec,
        ModelLoopStatus,
        "modelloops",
        "ml",
        (
            ("Champion", "string", ".status.champion.version"),
            ("Rollout", "string", ".status.rollout.step"),
            ("Turn", "string", ".status.turn.status"),
            ("Ready", "string", _condition("Ready", "status")),
            ("Reason", "string", _condition("Ready", "reason")),
            _AGE,
            ("Message", "string", _condition("Ready", "message")),
        ),
    ),
    Kind(
        ModelRollout,
        ModelRolloutSpec,
        ModelRolloutStatus,
        "modelrollouts",
        "mr",
        (
            ("Loop", "string", ".spec.loop"),
            ("Challenger", "string", ".spec.challenger"),
            ("Step", "string", ".status.step"),
            ("Weight", "string", '.status.arms[?(@.role!="champion")].weight'),
            ("Phase", "string", ".status.phase"),
            ("Reason", "string", ".status.verdict.reason"),
            _AGE,
            ("Message", "string", ".status.verdict.message"),
        ),
        selectable=(".spec.loop",),
    ),
)


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    singular = kind.name.lower()
    names = {"kind": kind.name, "listKind": f"{kind.name}List", "plural": kind.plural, "singular": singular}
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(kind),
        "schema": {"openAPIV3Schema": _schema(kind)},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            # Not in `all`: `kubectl get all` is about what runs. `kubectl get tidemill` shows both kinds.
            "names": {**names, "shortNames": [kind.short], "categories": ["tidemill"]},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _columns(kind: Kind) -> list[dict[str, Any]]:
    wide = kind.columns.index(_AGE) + 1
    return [
        {"name": name, "type": type, "jsonPath": path, **({"priority": 1} if position >= wide else {})}
        for position, (name, type, path) in enumerate(kind.columns)
    ]


def _schema(kind: Kind) -> dict[str, Any]:
    """The server knows metadata itself, and lets rules ask for the name alone."""
    fields = {field.alias or name: field for name, field in kind.model.model_fields.items()}
    head = {
        name: {"description": sentence(fields[name].description or ""), "type": "string"}
        for name in ("apiVersion", "kind")
    }
    return {
        "description": docstring(kind.model),
        "type": "object",
        "properties": {
            **head,
            "metadata": {"type": "object"},
            "spec": {"description": docstring(kind.spec), **structural(kind.spec)},
            "status": {"description": docstring(kind.status), **structural(kind.status)},
        },
        "required": ["spec"],
        RULES: [form_validation(NAME, value="self.metadata.name")],
    }


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def written() -> dict[str, str]:
    """Each file's name and text."""
    return {
        f"{kind.plural}.yaml": _NOTE + yaml.dump(definition(kind), Dumper=_Dumper, sort_keys=False, width=120)
        for kind in KINDS
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
