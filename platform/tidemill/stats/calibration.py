"""The smallest repair: intercept and slope on the served logit, refitted on recent outcomes, bounded.

    score = sigmoid(intercept + slope * logit(raw));    the identity is (0, 1)

Sources: Platt (1999); Vergouwe et al. (2017), "A closed testing procedure to select an appropriate method for updating
prediction models", Stat. Med. 36; Davis et al. (2019), "A nonparametric updating method to correct clinical prediction
model drift", JAMIA 26.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

IDENTITY = (0.0, 1.0)
INTERCEPT_BOUNDS = (-2.0, 2.0)  # at most: odds times or over 7.4
SLOPE_BOUNDS = (0.25, 4.0)  # never turns the model's order round, never makes it a step
MIN_ROWS = 50
_CLIP = 0.01  # the losses that judge are clipped there too: a few extreme predictions must not lever the slope
_TINY = 1e-6
# The prior holds the correction at the identity until the data says more: corrections of half a logit, and slopes
# between 1/2 and 3/2, are ordinary. Two correlated days can say less than that; two weeks of them say ten times more.
_PRIOR_SD = (0.5, 0.25)
_USUAL_CORRELATION, _USUAL_WEIGHT = 0.02, 3  # of two outcomes of one day, worth three days of seeing for oneself


def fit(raw: Array, label: Array, blocks: Array | None = None) -> tuple[float, float]:
    """(intercept, slope) by penalised maximum likelihood, shrunk towards the identity.

    `raw`: P(label = 1), shape (n,); `label`: 0 or 1, shape (n,); `blocks`: what day each row belongs to, shape (n,).
    Outcomes of a day share causes, so n rows say less than n independent ones: with `blocks` the likelihood counts as
    n / design effect rows, where the design effect (Kish 1965) is the variance of the days' summed residuals over
    what independence would give (at least 1, estimated around a first fit). Without `blocks` rows are taken as
    independent, and the prior says next to nothing.
    Returns the identity for fewer than MIN_ROWS rows, for one class only, and for anything that is not finite: then
    there is nothing to learn. Raises ValueError for shapes that differ and labels other than 0 and 1.
    """
    raw, label = np.asarray(raw, dtype=float), np.asarray(label, dtype=float)
    if raw.shape != label.shape or raw.ndim != 1 or (blocks is not None and len(blocks) != len(raw)):
        raise ValueError(f"fit takes rows of equal number, not raw {raw.shape} and label {label.shape}")
    if len(raw) < MIN_ROWS or not (np.isfinite(raw).all() and np.isfinite(label).all()):
        return IDENTITY
    if not np.isin(label, (0.0, 1.0)).all():
        raise ValueError(f"labels are 0 or 1, not {np.unique(label)[:5]}")
    if label.min() == label.max():
        return IDENTITY
    logit = _logit(np.clip(raw, _CLIP, 1 - _CLIP))
    found = _maximise(logit, label, 1.0)
    if blocks is not None:
        effect = _design_effect(label - _sigmoid(found[0] + found[1] * logit), np.asarray(blocks))
        found = _maximise(logit, label, 1 / effect)
    return found


def apply(raw: Array, intercept: float, slope: float) -> Array:
    """The corrected probabilities, same shape as `raw`. NaN stays NaN. The identity returns `raw` as it is."""
    values = np.asarray(raw, dtype=float)
    if (intercept, slope) == IDENTITY:
        return values
    return _sigmoid(intercept + slope * _logit(np.clip(values, _TINY, 1 - _TINY)))


def at_level(p: Array, level: float) -> Array:
    """`p` moved by one constant on the logit, so that its mean is `level` (in (0, 1)). No labels are used.

    Returns `p` as it is where it is empty or not finite.
    """
    from scipy.optimize import brentq

    values = np.asarray(p, dtype=float)
    if not values.size or not np.isfinite(values).all() or not 0 < level < 1:
        return values
    logit = _logit(np.clip(values, _TINY, 1 - _TINY))
    reach = float(np.abs(logit).max()) + abs(float(np.log(level / (1 - level)))) + 1.0
    return _sigmoid(logit + brentq(lambda shift: float(np.mean(_sigmoid(logit + shift))) - level, -reach, reach))


def _maximise(logit: Array, label: Array, weight: float) -> tuple[float, float]:
    """The posterior mode within the bounds; the objective is convex, so it is the only one."""
    from scipy.optimize import minimize

    centre, precision = np.array(IDENTITY), 1 / np.square(_PRIOR_SD)
    design = np.column_stack([np.ones_like(logit), logit])

    def objective(at: Array) -> tuple[float, Array]:
        linear = design @ at
        nll = float(np.sum(np.logaddexp(0.0, linear) - label * linear))
        gradient = design.T @ (_sigmoid(linear) - label)
        away = at - centre
        penalty = 0.5 * float(precision @ np.square(away))
        return (weight * nll + penalty) / len(label), (weight * gradient + precision * away) / len(label)

    bounds = (INTERCEPT_BOUNDS, SLOPE_BOUNDS)
    options = {"ftol": 1e-12, "gtol": 1e-8}
    result = minimize(objective, centre, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return float(result.x[0]), float(result.x[1])


def _design_effect(residual: Array, blocks: Array) -> float:
    """How many rows count as one: mean square of the blocks' summed residuals over the rows' own sum of squares, with
    two degrees of freedom lost to the fit. Few blocks say little about it, so it is averaged with a usual value."""
    _, index = np.unique(blocks, return_inverse=True)
    sums = np.bincount(index, weights=residual)
    usual = 1 + (len(residual) / len(sums) - 1) * _USUAL_CORRELATION
    spare = max(len(sums) - 2, 0)
    total = max(float(np.sum(np.square(residual))), _TINY)
    estimated = float(np.sum(np.square(sums))) / total * len(sums) / max(spare, 1)
    return max(1.0, (spare * estimated + _USUAL_WEIGHT * usual) / (spare + _USUAL_WEIGHT))


def _logit(p: Array) -> Array:
    return np.asarray(np.log(p) - np.log1p(-p), dtype=float)


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=float)
