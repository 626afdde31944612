"""JSON schemas for kubeconform from what an API server says of itself: no site has to be asked.

kubectl get --raw /openapi/v2 | python ci/openapi_schemas.py FOLDER

A file for each kind and version, as kubeconform names them (deployment-apps-v1.json); no fields but the known ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

GROUPS = "x-kubernetes-group-version-kind"


def strict(schema: Any) -> Any:
    """The same without what only Kubernetes reads; unknown fields are refused, null is nothing."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or str(schema.get("description", "")).startswith("Quantity is"):
        return {"type": ["string", "number", "null"]}
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"]}
    made = {name: strict(part) for name, part in schema.items() if not name.startswith("x-") and name != "format"}
    if "properties" in made:
        made["properties"] = {name: strict(part) for name, part in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def needed(schema: Any, definitions: dict[str, Any], found: dict[str, Any]) -> None:
    """Collects what a schema refers to, and what that does."""
    if isinstance(schema, list):
        for part in schema:
            needed(part, definitions, found)
    elif isinstance(schema, dict):
        # A field may be called so, too.
        name = schema["$ref"].removeprefix("#/definitions/") if isinstance(schema.get("$ref"), str) else ""
        if name and name not in found:
            found[name] = strict(definitions[name])
            needed(definitions[name], definitions, found)
        for part in schema.values():
            needed(part, definitions, found)


def main(folder: Path) -> None:
    definitions = json.load(sys.stdin)["definitions"]
    for definition in definitions.values():
        for kind in definition.get(GROUPS, []):
            if definition.get("properties", {}).get("kind") is None or kind["kind"].endswith(("List", "Options")):
                continue
            parts = [kind["kind"], kind["group"].split(".")[0], kind["version"]]
            found: dict[str, Any] = {}
            needed(definition, definitions, found)
            schema = {**strict(definition), "definitions": found}
            (folder / f"{'-'.join(part.lower() for part in parts if part)}.json").write_text(json.dumps(schema))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
