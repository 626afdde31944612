"""Rows of the prediction log as the counts of one operational block. Keys are the unit (decisions.operation)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.decisions.operation import Arm, Counted, Mirrored, OperationalBlock
from tidemill.stats.sample_ratio import SplitBlock

from .documents.rollout import RolloutDocument, RolloutStep
from .model import Role

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Keys:
    """What a rollout has seen of each key before `through`: drawn by the canary, failed or slow there, failed by one
    version alone."""

    through: datetime
    seen: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)

    def copy(self) -> Keys:
        return Keys(self.through, set(self.seen), set(self.failed), set(self.slow), set(self.apart))


@dataclass
class Followed:
    """The keys before all blocks that may be counted again, and before the next block."""

    settled: Keys
    ahead: Keys


@dataclass(frozen=True)
class Came:
    """What was compared on a day. `keys`: 64-bit hashes, 8 bytes each, because a rollout may hold millions of keys."""

    keys: np.ndarray[Any, np.dtype[np.uint64]]
    units: set[str]


def counted_block(
    rollout: RolloutDocument, step: RolloutStep, id: str, rows: pd.DataFrame, keys: Keys
) -> OperationalBlock:
    """`rows`: the log's columns, `failed` and `slow`, of the rollout's two versions. `keys` learns what they hold."""
    champion = rows[rows["version"] == rollout.champion]
    challenger = rows[rows["version"] == rollout.challenger]
    # By each row's own role and weight: a data plane that has not heard of a step yet answers by the one before.
    arms = [
        _followed(champion[(champion["role"] == Role.CHAMPION) & _is_split(champion, step)], rollout.audited),
        _followed(challenger[challenger["role"] == Role.CANARY], rollout.audited),
    ]
    block = OperationalBlock(
        id=id,
        champion=_arm(arms[0], keys),
        challenger=_arm(arms[1], keys),
        tried=_counted(challenger),
        beside=_counted(champion),
        mirrored=_mirrored(step, champion, challenger, keys),
        split=_split(step, arms[0], arms[1], keys),
        rows=len(rows),
    )
    for arm in arms:
        keys.seen.update(arm["key"])
        keys.failed.update(arm.loc[arm["failed"], "key"])
        keys.slow.update(arm.loc[arm["slow"], "key"])
    return block


def _is_split(champion: pd.DataFrame, step: RolloutStep) -> pd.Series:
    """Rows that the champion answered while a canary answered others. What an earlier release logged has no weight:
    there it is what the step says."""
    weight = champion["weight"].fillna(1.0 if step.canary is None else 1 - step.canary)
    return (weight > 0) & (weight < 1)


def _followed(rows: pd.DataFrame, share: float) -> pd.DataFrame:
    if share >= 1 or rows.empty:
        return rows
    from pandas.util import hash_array

    return rows[hash_array(rows["key"].to_numpy(object)) < share * 2.0**64]


def _in(rows: pd.DataFrame, keys: set[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Asked key by key: pandas would make an array of the whole set for each few rows."""
    return np.fromiter(map(keys.__contains__, rows["key"]), dtype=bool, count=len(rows))


def _arm(rows: pd.DataFrame, keys: Keys) -> Arm:
    return Arm(
        first=_counted(rows[~_in(rows, keys.seen)]),
        failure_free=_counted(rows[~_in(rows, keys.failed)]),
        never_slow=_counted(rows[~_in(rows, keys.slow)]),
        requests=int(rows["request_id"].nunique()),
        failed_requests=int(rows.loc[rows["failed"] | rows["slow"], "request_id"].nunique()),
    )


def _counted(rows: pd.DataFrame) -> Counted:
    """Each key once, by the share of its requests that failed or were slow."""
    if rows.empty:
        return Counted()
    if rows["key"].is_unique:
        return Counted(float(len(rows)), float(rows["failed"].sum()), float(rows["slow"].sum()))
    of_keys = rows.groupby("key")[["failed", "slow"]].mean()
    return Counted(float(len(of_keys)), float(of_keys["failed"].sum()), float(of_keys["slow"].sum()))


def _split(step: RolloutStep, champion: pd.DataFrame, challenger: pd.DataFrame, keys: Keys) -> tuple[SplitBlock, ...]:
    """Keys that the canary draws for the first time, by the weight with which each was routed."""
    new = [rows[~_in(rows, keys.seen)].drop_duplicates("key") for rows in (champion, challenger)]
    weights = [
        (1 - new[0]["weight"]).fillna(step.canary or 0.0).round(6),
        new[1]["weight"].fillna(step.canary or 0.0).round(6),
    ]
    return tuple(
        SplitBlock(float(each), int((weights[0] == each).sum()), int((weights[1] == each).sum()))
        for each in sorted({*weights[0], *weights[1]})
        if 0 < each < 1
    )


def _mirrored(step: RolloutStep, champion: pd.DataFrame, challenger: pd.DataFrame, keys: Keys) -> Mirrored:
    """Requests of which both versions tried the same key, and keys that one of them alone failed, each once a
    rollout."""
    both = champion.merge(
        challenger[["request_id", "key", "failed", "score"]], on=["request_id", "key"], suffixes=("", "_challenger")
    )
    mine, other = both["failed_challenger"].astype(bool), both["failed"].astype(bool)
    new = ~_in(both, keys.apart)
    apart = [set(both.loc[one & ~two & new, "key"]) for one, two in ((other, mine), (mine, other))]
    for found in apart:
        keys.apart.update(found)
    # In a shadow the champion answers all, in a canary either; each owes the other's rows its own score.
    answered = champion if step.canary is None else champion[champion["role"] == Role.CHAMPION]
    due = len(answered) * (1.0 if step.shadow is None else step.shadow)  # not rounded: few requests make few pairs
    if step.canary is not None:
        due += int((challenger["role"] == Role.CANARY).sum())
    difference = (both["score_challenger"] - both["score"]).abs().dropna()
    return Mirrored(
        due=due,
        pairs=len(both),
        champion_failed=len(apart[0]),
        challenger_failed=len(apart[1]),
        disagreement=float(difference.mean()) if len(difference) else None,
    )
