"""What a Kubernetes quantity is to a server that takes numbers only."""

from __future__ import annotations

import pytest
from tidemill.adapters.kubeflow.quantities import cores, gigabytes


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("1Gi", 1.073741824),
        ("512Mi", 0.536870912),
        ("2G", 2.0),
        ("1000000000", 1.0),
        (1000000000, 1.0),
        ("1k", 1e-6),
        ("1Ti", 1099.511627776),
    ],
)
def test_memory_is_told_in_gigabytes(quantity: object, expected: float) -> None:
    assert gigabytes(quantity) == expected


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("250m", 0.25), ("700m", 0.7), ("2", 2.0), (2, 2.0), (0.5, 0.5), ("1.5", 1.5), ("1k", 1000)],
)
def test_cpu_is_told_in_cores(quantity: object, expected: float) -> None:
    assert cores(quantity) == expected


@pytest.mark.parametrize("quantity", ["", "two", "1GB", "Gi", None])
def test_what_is_no_quantity_is_named(quantity: object) -> None:
    with pytest.raises(ValueError, match=f"^{quantity!r} is no quantity"):
        cores(quantity)
