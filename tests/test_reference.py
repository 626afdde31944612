"""The reference is made from the code; what stands in docs/ is what the code says now."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "ci" / "reference.py"))


@pytest.mark.parametrize("page", ["modelloop.md", "crds.md", "cli.md", "reasons.md"])
def test_the_page_says_what_the_code_says(reference: dict[str, Any], page: str) -> None:
    written = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert written == reference["PAGES"][page](), "run `make reference`"


def test_every_reason_is_explained(reference: dict[str, Any]) -> None:
    reasons = [pair for group in reference["_reasons"]().values() for pair in group]
    assert [reason for reason, meaning in reasons if not meaning] == []
