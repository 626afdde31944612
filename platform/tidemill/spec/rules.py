"""Rules that a type cannot say, each with its one sentence: `tidemill validate` and the API server both say it.

A rule stands here twice, as Python and as CEL; `tests/e2e/test_crd.py` holds the two against each other on a real API
server. What a schema can say (types, words, bounds) stands in the fields' types alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from . import cel

# For `Annotated[...]`, to the API server alone:
FILLED = "it may fill in the default"
LIST_BY_TYPE = "the items of this list are told apart by their type"


@dataclass(frozen=True)
class Form:
    """How a text is written, for `Annotated[...]`: its pattern (see `cel`), what is said of another ("is not ..."), and
    what is said of the form where a field is explained.

    `number` makes CEL for the value of a well-formed text. A text with `bare_numbers` is often written as a bare
    number by mistake, and is told what is missing; with `whole_numbers` a whole number stands for its text."""

    pattern: str
    message: str
    longest: int
    written: str = ""
    number: Callable[[str], str] | None = None
    bare_numbers: bool = False
    whole_numbers: bool = False

    @property
    def may_be_number(self) -> bool:
        return self.bare_numbers or self.whole_numbers

    def text(self, value: Any) -> Any:
        """A whole number as its text, where it may stand for it."""
        return str(value) if self.whole_numbers and type(value) is int else value

    def match(self, value: Any) -> bool:
        value = self.text(value)
        return (
            isinstance(value, str)
            and len(value) <= self.longest
            and re.fullmatch(self.pattern, value, re.ASCII) is not None
        )

    def refusal(self, value: Any) -> ValueError:
        return ValueError(f"{value!r} {self.message}")

    def checked(self, value: Any) -> Any:
        """The value itself. Raises ValueError for another form."""
        if not self.match(value):
            raise self.refusal(value)
        return value

    def holds(self, value: str) -> str:
        """CEL: whether the value is of this form."""
        well_formed = cel.matches(f"string({value})" if self.may_be_number else value, self.pattern)
        return f"type({value}) == string && {well_formed}" if self.bare_numbers else well_formed


@dataclass(frozen=True)
class Check:
    """A rule for a single value, for `Annotated[...]`. `cel` speaks of `self`, asked of well-formed texts only."""

    message: str
    cel: str
    holds: Callable[[Any], bool]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: Any) -> Any:
        if not self.holds(value):
            raise ValueError(self.message)
        return value


@dataclass(frozen=True)
class Rule:
    """A rule between the fields of one model. In `cel`, `{a.b}` is the number (milliseconds, share) of the text in
    `self.a.b`, or in its default. Without `holds` only the API server can tell, which knows what was there before;
    without `cel` only Python can, since the API server asks nothing of a field that may be a text or a mapping."""

    message: str
    cel: str | None
    holds: Callable[[Any], bool] | None = None


class Strict(BaseModel):
    """Unknown fields are errors: a field that is silently ignored is the field's most hated bug."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _all_rules_hold(self) -> Any:
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self
