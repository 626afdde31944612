"""Every reason that a condition can have is in docs/reference/reasons.md, which is made from two enums."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidemill.controller import reasons
from tidemill.controller.reasons import ConditionReason
from tidemill.decisions.verdict import Reason

FOLDER = Path(reasons.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "reasons.md"
# Which argument of a call is a condition's reason.
REASON_AT = {"Fact": 2, "failed_status": 0}


def given() -> Iterator[tuple[str, ast.expr]]:
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REASON_AT:
                named = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
                yield f"{path.name}:{node.lineno}", (named or node.args[REASON_AT[node.func.id] :])[0]


def test_no_condition_has_a_reason_outside_the_vocabulary() -> None:
    """A text of its own is none; what else it may be is mypy's to say."""
    found = list(given())
    assert len(found) > 10, "nothing was found: does this test still know how conditions are made?"
    assert [where for where, reason in found if isinstance(reason, ast.Constant)] == []


@pytest.mark.parametrize("reason", [*Reason, *ConditionReason])
def test_the_page_explains_it(reason: Reason | ConditionReason) -> None:
    assert f"\n| `{reason}` | " in PAGE.read_text()


def test_no_word_means_two_things() -> None:
    assert not {str(reason) for reason in Reason} & {str(reason) for reason in ConditionReason}
