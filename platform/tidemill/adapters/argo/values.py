"""How a value travels between the steps of a Workflow: as JSON text, in Argo's parameters.

Argo substitutes `{{...}}` in plain text, wherever it stands. So every value is JSON with each `{{` written as
`\\u007b\\u007b`: nothing that a step returns, and nothing that a pipeline's constants hold (Kubeflow's own placeholders
do), is taken for a tag; and a value set into a JSON document by its tag leaves that document JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tidemill.adapters.argo.refused import refuse

_FIELDS = re.compile(r'parseJson\(string_value\)((?:\["[^"\\]+"\])+)')


def encoded(value: Any) -> str:
    # ASCII only: Argo quotes what it substitutes as Go does, which is not JSON beyond that.
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("{{", "\\u007b\\u007b").replace("\x7f", "\\u007f")


def text_literal(text: str) -> str:
    """A string in Argo's expression language."""
    return json.dumps(text).replace("{{", "\\u007b\\u007b").replace("}}", "\\u007d\\u007d")


@dataclass(frozen=True)
class Value:
    """Where a value is found. `expression` gives it decoded, out of the parameters that `of` names; `tag` names it
    where it can be passed on as it is."""

    expression: str
    of: tuple[str, ...] = ()
    tag: str = ""
    constant: str | None = None

    @property
    def text(self) -> str:
        """What is written into the Workflow for it."""
        if self.constant is not None:
            return self.constant
        return f"{{{{{self.tag}}}}}" if self.tag else expression(f"toJson({self.expression})", self.of, '"null"')


def expression(written: str, of: Iterable[str], instead: str) -> str:
    """An expression as Argo evaluates it. While a DAG goes on, Argo looks again at those of its tasks that ended, and
    then with the tags of their inputs where the values were: no answer is needed any more, but an error would count."""
    unknown = [f"{name} startsWith {text_literal('{{')}" for name in dict.fromkeys(of) if name.startswith("inputs.")]
    return f"{{{{={' || '.join(unknown)} ? {instead} : ({written})}}}}" if unknown else f"{{{{={written}}}}}"


def constant(value: Any) -> Value:
    text = encoded(value)
    return Value(f"fromJSON({text_literal(text)})", constant=text)


def component_input(name: str) -> Value:
    found = f"inputs.parameters[{text_literal(name)}]"
    return Value(f"fromJSON({found})", (found,), f"inputs.parameters.{name}")


def task_output(task: str, name: str) -> Value:
    found = f"tasks[{text_literal(task)}].outputs.parameters[{text_literal(name)}]"
    return Value(f"fromJSON({found})", (found,), f"tasks.{task}.outputs.parameters.{name}")


def item(items: Value, index: str) -> Value:
    """One of a list's values."""
    place = f"inputs.parameters[{text_literal(index)}]"
    return Value(f"{items.expression}[int({place})]", (*items.of, place))


def selected(task: str, value: Value, selector: str) -> Value:
    """A field of a value, as ParallelFor compiles `item.field`."""
    found = _FIELDS.fullmatch(selector)
    if found is None:
        raise refuse(task, f"the selector `{selector}`")
    return Value(value.expression + found.group(1), value.of)


def typed(value: Any, parameter_type: str) -> Any:
    """The IR holds every number as a float."""
    return int(value) if parameter_type == "NUMBER_INTEGER" and value is not None else value
