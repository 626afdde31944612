"""Kubeflow's conditions in Argo's expression language.

kfp compiles If, Elif and Else to comparisons of `inputs.parameter_values['x']` with constants, joined by `&&` and
negated by `!`. Both languages read alike, but for the names of values and of the conversions.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from tidemill.adapters.argo.refused import refuse
from tidemill.adapters.argo.values import Value, expression, text_literal

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<value>inputs\.parameter_values\['(?P<name>[^']+)'\])
    | (?P<convert>int|double)(?=\()
    | (?P<word>true|false)\b
    | (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    | (?P<sign>==|!=|<=|>=|<|>|&&|\|\||!|\(|\))
    )\s*""",
    re.VERBOSE,
)
_CONVERSIONS = {"int": "int", "double": "float"}


def when(task: str, condition: str, values: Mapping[str, Value]) -> str:
    """Argo's `when`; `values` are the task's own inputs. Raises NotTranslatable for what is no such comparison."""
    written: list[str] = []
    of: list[str] = []
    at = 0
    while at < len(condition):
        found = _TOKEN.match(condition, at)
        if found is None:
            raise refuse(task, f"the condition `{condition}` (it is not understood from `{condition[at:]}` on)")
        written.append(_translated(task, found, values))
        of += values[found["name"]].of if found["name"] else ()
        at = found.end()
    return expression(" ".join(written), of, "false")


def _translated(task: str, found: re.Match[str], values: Mapping[str, Value]) -> str:
    if found["value"]:
        if found["name"] not in values:
            raise refuse(task, f"a condition on `{found['name']}`, which is none of its inputs")
        return values[found["name"]].expression
    if found["convert"]:
        return _CONVERSIONS[found["convert"]]
    if found["text"]:
        return text_literal(ast.literal_eval(found["text"]))
    return found["word"] or found["number"] or found["sign"]
