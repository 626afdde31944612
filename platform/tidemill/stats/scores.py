"""How good probabilities are: losses, discrimination and calibration of a binary classifier. NumPy alone.

Shapes: `p` is (n,), the probability of label 1; `y` is (n,), labels 0 or 1. Means over no rows are NaN.

Log loss is bounded by clipping probabilities to [CLIP, 1 - CLIP]: a sequential test needs a bounded loss, and one row
that is certain and wrong must not outweigh a day. A NaN probability stays NaN: it is never made a number here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
CLIP = 0.01  # log loss of one row is at most -log(0.01) = 4.61


def log_loss_rows(p: npt.ArrayLike, y: npt.ArrayLike, clip: float = CLIP) -> Array:
    """-(y log p + (1 - y) log(1 - p)) for each row, p clipped to [clip, 1 - clip]."""
    p, y = np.clip(_array(p), clip, 1 - clip), _array(y)
    rows: Array = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return rows


def brier_rows(p: npt.ArrayLike, y: npt.ArrayLike) -> Array:
    """(p - y)^2 for each row (Brier 1950), in [0, 1]."""
    squared: Array = (_array(p) - _array(y)) ** 2
    return squared


def entropy_rows(p: npt.ArrayLike, clip: float = CLIP) -> Array:
    """The log loss that a model promises for each row: its expectation if the model's own p is true.

    -(p log c + (1 - p) log(1 - c)), where c is p clipped as in `log_loss_rows`; the expectation is over p unclipped.
    For a calibrated model the mean of `log_loss_rows - entropy_rows` is 0 on easy and on hard days alike.
    """
    p = _array(p)
    clipped = np.clip(p, clip, 1 - clip)
    rows: Array = -(p * np.log(clipped) + (1 - p) * np.log1p(-clipped))
    return rows


def auc(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Area under the ROC curve: P(p of a positive > p of a negative), ties count half (Mann and Whitney 1947).

    NaN where one of the classes is absent or a probability is NaN.
    """
    p, y = _array(p), _array(y)
    positives = int(y.sum())
    negatives = len(y) - positives
    if positives == 0 or negatives == 0 or bool(np.isnan(p).any()):
        return float("nan")
    _, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2  # tied values share the mean of their ranks
    rank_sum = float(middle_rank[inverse][y == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def calibration_error(p: npt.ArrayLike, y: npt.ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: sum over bins of (n_b / n) |mean p - mean y|, bins of equal mass by p.

    Biased upwards by about sqrt(bins / n): compare models on the same rows, never with zero.
    """
    p, y = _array(p), _array(y)
    if len(p) == 0:
        return float("nan")
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, min(bins, len(p)))
    return float(sum(len(part) / len(p) * abs(p[part].mean() - y[part].mean()) for part in parts))


def _array(values: npt.ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)
