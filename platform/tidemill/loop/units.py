"""Outcomes parted by a column of their requests: those with the same value of it are one piece of evidence.

A value counts on the day of events on which it first came in the rollout. What comes of it later depends on what is
counted already; and an outcome without a value may depend on any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.stats.eprocess import FIRST

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Units:
    """`means`: by loss, the mean difference of each unit that is counted, in the order in which they first came, shape
    (number,). `unplaced` and `returned`: rows without a value, and rows whose value came on an earlier day."""

    number: int
    means: Mapping[str, Array]
    unplaced: int
    returned: int

    def figures(self) -> dict[str, Any]:
        """As a PairDocument has them."""
        several = self.number > 1
        return {
            "units": self.number,
            "unplaced": self.unplaced,
            "returned": self.returned,
            "variance": float(np.var(self.means["log_loss"], ddof=1)) if several else None,
            "worst": {name: float(np.max(means)) for name, means in self.means.items()} if self.number else {},
        }


def by_unit(differences: Mapping[str, Array], unit: pd.Series, earlier: set[str]) -> Units:
    """`differences`: by loss, of rows in the order of their events, shape (n,); `unit`: their values, shape (n,)."""
    import pandas as pd

    placed = unit.notna().to_numpy()
    counted = placed & ~unit.isin(earlier).to_numpy()
    index, values = pd.factorize(unit[counted])
    sizes = np.bincount(index, minlength=len(values))
    means = {name: np.bincount(index, of[counted], len(values)) / sizes for name, of in differences.items()}
    return Units(len(values), means, int(np.sum(~placed)), int(np.sum(placed & ~counted)))


def unit_variance(before: Sequence[Mapping[str, Any]]) -> float | None:
    """Of a unit's difference, from all blocks that are closed; None while they hold too few units to tell."""
    known = [block for block in before if block.get("variance") is not None and block.get("units") is not None]
    freedom = sum(block["units"] - 1 for block in known)
    if freedom < FIRST - 1:
        return None
    return float(sum((block["units"] - 1) * block["variance"] for block in known) / freedom)
