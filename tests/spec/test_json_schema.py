from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tidemill.spec.json_schema import KINDS, json_schema, models
from tidemill.spec.loading import load_loop

REPOSITORY = Path(__file__).parents[2]


def violations(schema: dict[str, Any], document: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_one(kind: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(json_schema(kind))


def test_what_is_a_valid_loop_is_valid_by_the_schema_too(project: Path) -> None:
    for path in (project / "loop.yaml", REPOSITORY / "examples" / "flights" / "loop.yaml"):
        load_loop(path)
        assert violations(json_schema("ModelLoop"), yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("growth: 25%", "growht: 25%"),
        ("growth: 25%", "growth: 25"),
        ("arrivesAfter: 1h", "arrivesAfter: 1"),
        ("kind:", "kin:"),
    ],
)
def test_what_is_wrong_is_wrong_by_the_schema_too(project: Path, old: str, new: str) -> None:
    text = (project / "loop.yaml").read_text().replace(old, new)
    assert violations(json_schema("ModelLoop"), yaml.safe_load(text))


def test_a_loop_that_is_written_out_with_all_its_defaults_is_valid_by_the_schema(project: Path) -> None:
    document = load_loop(project / "loop.yaml").model_dump(mode="json", by_alias=True)
    assert violations(json_schema("ModelLoop"), document) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_means(kind: str) -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in models(KINDS[kind])
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert silent == []


def test_defaults_stand_as_a_file_would_say_them() -> None:
    window = json_schema("ModelLoop")["$defs"]["Window"]["properties"]
    assert (window["train"]["default"], window["holdOut"]["default"]) == ("all", "7d")
