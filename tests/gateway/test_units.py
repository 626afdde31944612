"""Values of a column as the prediction log has them."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.gateway.units import units


@pytest.mark.parametrize(
    ("value", "logged"),
    [("b1", "b1"), ("", ""), (7, "7"), (7.0, "7"), (7.5, "7.5"), (True, "True"), (0, "0"), (None, None)],
)
def test_a_value_is_logged_as_text_and_none_stays_none(value: Any, logged: str | None) -> None:
    assert units([value]) == [logged]
