"""Kubernetes quantities as the numbers that Kubeflow Pipelines before 2.5 takes: cores, and units of 10^9 bytes."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

_GB = 10**9
_UNITS: dict[str, int | Decimal] = {
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
    "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
}  # fmt: skip


def cores(quantity: Any) -> float:
    """Raises ValueError."""
    return float(_amount(quantity))


def gigabytes(quantity: Any) -> float:
    """Raises ValueError."""
    return float(_amount(quantity) / _GB)


def _amount(quantity: Any) -> Decimal:
    """In decimals: a server that is told 0.7000000000000001 cores asks its cluster for just that."""
    text = str(quantity)  # YAML's 2 is a number
    unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
    try:
        return Decimal(text.removesuffix(unit)) * _UNITS.get(unit, 1)
    except InvalidOperation:
        raise ValueError(f"{quantity!r} is no quantity as Kubernetes has them, such as 500m, 2 or 4Gi") from None
