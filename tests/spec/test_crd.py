"""What can be said of the CustomResourceDefinitions without a cluster; tests/e2e/test_crd.py asks a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from jsonschema import Draft4Validator
from pydantic import Field
from tidemill.spec import crd
from tidemill.spec.cel_rules import expanded
from tidemill.spec.model_loop import Label, Step, Window
from tidemill.spec.quantities import Duration
from tidemill.spec.rules import Rule, Strict
from tidemill.spec.structural import structural

CHART = Path(__file__).parents[2] / "charts" / "tidemill" / "crds"
JUNCTORS = ("allOf", "anyOf", "oneOf", "not")
# What "Specifying a structural schema" in Kubernetes' documentation of CustomResourceDefinitions does not allow.
FORBIDDEN_IN_JUNCTORS = {"description", "type", "default", "additionalProperties", "nullable", "title"}
FORBIDDEN = {"$ref", "$defs", "const", "definitions", "deprecated", "discriminator", "examples", "id", "readOnly",
             "patternProperties", "title", "uniqueItems", "writeOnly", "xml"}  # fmt: skip


def schema(kind: crd.Kind) -> dict[str, Any]:
    found: dict[str, Any] = crd.definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def places(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of the structure, with its path; not what stands inside junctors."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from places(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from places(schema[key], f"{path}[]")


def in_junctors(schema: dict[str, Any], inside: bool = False) -> Iterator[dict[str, Any]]:
    if inside:
        yield schema
    for name in JUNCTORS:
        found = schema.get(name, [])
        for inner in [found] if isinstance(found, dict) else found:
            yield from in_junctors(inner, True)


def test_the_files_in_the_chart_are_what_the_models_say() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in CHART.iterdir()} == crd.written(), "run `make crds`"


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
class TestStructure:
    def test_every_field_is_described(self, kind: crd.Kind) -> None:
        silent = [
            path for path, place in places(schema(kind)) if not path.endswith("]") and not place.get("description")
        ]
        assert silent == [".metadata"], "which Kubernetes describes itself"

    def test_every_place_has_a_type(self, kind: crd.Kind) -> None:
        untyped = [
            path
            for path, place in places(schema(kind))
            if "type" not in place and not place.get("x-kubernetes-int-or-string")
        ]
        either = [".spec.data.gate", ".spec.rollout.judge.block"]
        assert untyped == (either if kind.name == "ModelLoop" else []), "which are a mapping or a text"

    def test_nothing_stands_there_that_is_not_structural(self, kind: crd.Kind) -> None:
        for path, place in places(schema(kind)):
            assert not FORBIDDEN & place.keys(), path
            for nested in in_junctors(place):
                assert not FORBIDDEN_IN_JUNCTORS & nested.keys(), path
                assert not [key for key in nested if key.startswith("x-kubernetes")], path
                assert nested.get("properties", {}).keys() <= place.get("properties", {}).keys(), path

    def test_what_a_rule_may_ask_for_is_bounded(self, kind: crd.Kind) -> None:
        """The API server estimates what a rule may cost from these."""
        for path, place in places(schema(kind)):
            if "x-kubernetes-validations" in place and place.get("type") != "object":
                assert "maxLength" in place or "maxItems" in place, path

    def test_lists_say_how_they_are_merged(self, kind: crd.Kind) -> None:
        lists = [place for _, place in places(schema(kind)) if place.get("type") == "array"]
        assert {place.get("x-kubernetes-list-type") for place in lists} == {"atomic", "map"}

    def test_the_file_is_yaml_that_says_the_same(self, kind: crd.Kind) -> None:
        text = crd.written()[f"{kind.plural}.yaml"]
        assert yaml.safe_load(text) == crd.definition(kind)
        assert "&id" not in text, "kubectl would read an alias; a person would not"


def test_only_switches_of_a_rollout_are_filled_in() -> None:
    filled = [f"{kind.name}{path}" for kind in crd.KINDS for path, place in places(schema(kind)) if "default" in place]
    assert filled == [f"ModelRollout.spec.{name}" for name in ("paused", "abort", "approved")]


def test_the_status_of_a_loop_is_small() -> None:
    """History lives in the state store; what grows with time has no place here."""
    lists = [
        path for path, place in places(schema(crd.KINDS[0])["properties"]["status"]) if place.get("type") == "array"
    ]
    assert lists == [".conditions"]


def test_a_default_stands_in_for_a_field_that_is_left_out() -> None:
    rule = Label.rules[0]
    text = expanded(rule.cel, Label)
    assert "(has(self.giveUpAfter) ? self.giveUpAfter.findAll(" in text
    assert ".sum() : 1209600000.0) >= (has(self.arrivesAfter)" in text


def test_a_rule_leaves_it_to_others_to_say_that_a_text_is_malformed() -> None:
    assert expanded("{train} > {holdOut}", Window).startswith("!(has(self.train) && self.train.matches(")
    assert expanded("{canary} < 1.0", Step).startswith("!(has(self.canary) && type(self.canary) == string && ")


def test_a_field_of_two_types_is_refused_when_the_schema_is_made() -> None:
    class Odd(Strict):
        """Odd."""

        either: int | Duration = Field(description="one or the other")

    with pytest.raises(TypeError, match="write one type, and words beside it"):
        structural(Odd)


def test_a_rule_that_names_no_text_with_a_form_is_refused_when_the_schema_is_made() -> None:
    class Odd(Strict):
        """Odd."""

        rules: ClassVar = (Rule("no", "{count} > 0.0"),)
        count: int = Field(description="how many")

    with pytest.raises(AssertionError, match=r"self\.count is no text with a form"):
        structural(Odd)


@pytest.mark.parametrize(
    ("block", "taken"),
    [
        *[(block, True) for block in ("auto", "1h", " 60m ", "1d", {"column": "batch"})],
        *[(block, False) for block in ("5h", "of", 1, 1.5, True, False, [], ["1h"], {}, {"colum": "batch"})],
        *[(block, False) for block in ({"column": ""}, {"column": 3}, {"column": "a", "more": 1})],
    ],
)
def test_a_block_in_a_schema_is_a_word_a_text_or_a_mapping_and_nothing_else(block: Any, taken: bool) -> None:
    """By the part of the schema that the API server asks of a value: types, junctors, bounds."""
    place = dict(places(schema(crd.KINDS[0])))[".spec.rollout.judge.block"]
    assert Draft4Validator(place).is_valid(block) == taken
