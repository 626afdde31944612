"""ParallelFor: a template that counts through a list and calls the loop's body once for each place in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tidemill.adapters.argo.refused import Json, only
from tidemill.adapters.argo.step import FOLDER
from tidemill.adapters.argo.values import Value, component_input, constant, expression

INDEX = "tidemill-index"


@dataclass(frozen=True)
class Loop:
    """`items` is the list, as seen from inside the loop; `item_input` what the body calls the value at its place;
    `limit` how many may run at once, 0 for all."""

    items: Value
    item_input: str
    limit: int

    @classmethod
    def of(cls, task: str, spec: Json) -> Loop:
        iterator, policy = spec["parameterIterator"], spec.get("iteratorPolicy", {})
        only(task, "the iterator's", iterator, ["items", "itemInput"])
        only(task, "the iterator's items from", iterator["items"], ["raw", "inputParameter"])
        only(task, "the iterator policy's", policy, ["parallelismLimit"])
        source = iterator["items"]
        items = constant(json.loads(source["raw"])) if "raw" in source else component_input(source["inputParameter"])
        return cls(items, iterator["itemInput"], int(policy.get("parallelismLimit", 0)))

    def template(self, name: str, body: str, given: list[str]) -> dict[str, Any]:
        # The limit is that of a template of its own, or it would hold for the loop's neighbours, too.
        folder = {"name": FOLDER, "value": f"{{{{inputs.parameters.{FOLDER}}}}}/{{{{item}}}}"}
        passed = [{"name": key, "value": component_input(key).text} for key in given]
        index = {"name": INDEX, "value": "{{item}}"}
        task = {
            "name": "each",
            "template": body,
            "arguments": {"parameters": [folder, *passed, index]},
            "withSequence": {"count": expression(f"len({self.items.expression})", self.items.of, "0")},
        }
        return {
            "name": name,
            "inputs": {"parameters": [{"name": key} for key in (FOLDER, *given)]},
            "dag": {"tasks": [task]},
            **({"parallelism": self.limit} if self.limit else {}),
        }
