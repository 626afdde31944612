"""Writes docs/reference/chart.md from the chart's values.schema.json (what values mean) and values.yaml (defaults).

python ci/chart_reference.py [--check]     # --check: writes nothing, ends with 1 where the page is stale
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART, PAGE = ROOT / "charts" / "tidemill", ROOT / "docs" / "reference" / "chart.md"
HEAD = """<!-- Made by `make reference` from charts/tidemill/values.schema.json and values.yaml; edit those. -->

# Values of the chart

`helm install tidemill charts/tidemill -f values.yaml`; [how to install](../install.md). `storage.url` and one of
`pipelines.kubeflow.endpoint` and `pipelines.argo.enabled` are required. A value that is none of these is refused,
before anything is changed. Whole sets to begin with: `charts/tidemill/ci/`. Who reaches which Pod, who has which
rights, what an uninstall leaves: [the chart's README](../../charts/tidemill/README.md).
"""


def rows(schema: dict[str, Any], values: Any, definitions: dict[str, Any], path: str) -> Iterator[str]:
    for name, described in schema["properties"].items():
        if path == "" and name == "global":
            continue
        here = f"{path}.{name}".lstrip(".")
        if "properties" in described:
            yield f"| **`{here}`** | | | {_cell(described['description'])} |"
            yield from rows(described, values[name], definitions, here)
        else:
            yield f"| `{here}` | {_type(described)} | {_default(values[name])} | {_cell(described['description'])} |"


def _type(described: dict[str, Any]) -> str:
    kinds = {"integer": "whole number", "string": "text", "boolean": "true or false", "object": "mapping"}
    named = {"quantity": "quantity", "port": "port", "resources": "requests and limits", "texts": "mapping of texts",
             "mappings": "list of mappings", "secrets": "list of mappings", "name": "name",
             "namespace": "namespace"}  # fmt: skip
    if "$ref" in described:
        return named[described["$ref"].rpartition("/")[2]]
    if "enum" in described:
        return " or ".join(f"`{word}`" for word in described["enum"])
    if described["type"] == "array":
        return f"list of {_type(described['items'])}s"
    least = f" >= {described['minimum']}" if "minimum" in described else ""
    return kinds[described["type"]] + least


def _default(value: Any) -> str:
    return "" if value in ("", [], {}) else f"`{json.dumps(value)}`".replace('"', "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def page() -> str:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    table = ["\n| value | is | default | meaning |", "|---|---|---|---|"]
    return HEAD + "\n".join([*table, *rows(schema, values, schema["definitions"], "")]) + "\n"


def main(check: bool) -> int:
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page()
    if stale and not check:
        PAGE.write_text(page(), encoding="utf-8")
    if stale:
        print(f"docs/reference/chart.md {'stale: run `make reference`' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
