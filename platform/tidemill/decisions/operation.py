"""How the versions of a rollout operate: evidence that needs no label, in blocks of minutes.

The unit is a key, not a request: where keys come back and an error belongs to the key, its hundred failures are one
piece of evidence. Three counts follow from that.

- *First time*: keys that the canary had not drawn before. Each key counts once. "No worse" is proven on these alone.
- *At risk*: keys whose every earlier request in the canary succeeded. Each key can fail once, so that a fault that
  begins late is seen on keys that have been there for days, and a key that always fails is seen once (the counts of
  the log-rank test: Mantel 1966; ter Schure et al. 2021 for its safe form). "Worse" is looked for on these.
- *Tried*: every key of the block, seen or unseen. A version that fails most of them trips, however its keys came (see
  `failing`).

A key with several requests in a block counts by the share of them that failed, a number between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from tidemill.stats.eprocess import EProcess
from tidemill.stats.sample_ratio import SplitBlock
from tidemill.stats.two_arm import CAP

BLOCK = timedelta(minutes=5)
TRIP_KEYS = 10  # keys a block: fewer can all fail by chance, or be one batch
TRIP_SHARE = 0.5  # of the keys fail, and
LEAST_DUE = 100  # requests due to both versions, before their share is judged
TRIP_APART = 0.25  # this much more than of the champion's, in two blocks in a row: one bad batch is one block


@dataclass(frozen=True)
class Counted:
    """Keys, and how many of them failed or were slow: sums of shares, each between 0 and 1."""

    keys: float = 0.0
    failed: float = 0.0
    slow: float = 0.0


@dataclass(frozen=True)
class Arm:
    """What one version did in one block of a canary, on the keys that it answered. `requests` are distinct requests,
    `failed_requests` those that failed or were slow in part."""

    first: Counted = Counted()
    failure_free: Counted = Counted()  # at risk of a first failure
    never_slow: Counted = Counted()  # at risk of a first slow answer
    requests: int = 0
    failed_requests: int = 0


@dataclass(frozen=True)
class Mirrored:
    """Requests that both versions were to score: `due` were answered by one and owed by the other (the expectation, of
    a shadow that sees a share), `pairs` were tried by both. `champion_failed` and `challenger_failed` are keys that
    this one alone failed, each once in a rollout. `disagreement` is the mean absolute difference of the two scores."""

    due: float = 0.0
    pairs: int = 0
    champion_failed: int = 0
    challenger_failed: int = 0
    disagreement: float | None = None


@dataclass(frozen=True)
class OperationalBlock:
    """One closed block. `champion` and `challenger` are the arms of a canary, each on the keys that it answered;
    `tried` is all that the challenger did, seen or unseen, and `beside` what the champion did meanwhile. `rows` are
    those of the log behind it; 0 in a block of an earlier release."""

    id: str
    champion: Arm = Arm()
    challenger: Arm = Arm()
    tried: Counted = Counted()
    beside: Counted = Counted()
    mirrored: Mirrored = Mirrored()
    split: tuple[SplitBlock, ...] = field(default=())
    rows: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> OperationalBlock:
        return cls(
            stored["id"],
            _arm(stored["champion"]),
            _arm(stored["challenger"]),
            Counted(**stored["tried"]),
            Counted(**stored["beside"]),
            Mirrored(**stored["mirrored"]),
            tuple(SplitBlock(**part) for part in stored["split"]),
            stored.get("rows", 0),
        )


def failing(blocks: Sequence[OperationalBlock]) -> tuple[OperationalBlock, OperationalBlock] | None:
    """The first two blocks in a row in which the challenger failed most of its keys, if there are such. Blocks of fewer
    keys than TRIP_KEYS are skipped, so hours may lie between the two."""
    before = None
    for block in blocks:
        if block.tried.keys < TRIP_KEYS:
            continue
        share = block.tried.failed / block.tried.keys
        usual = block.beside.failed / block.beside.keys if block.beside.keys else 0.0
        bad = share >= TRIP_SHARE and share >= usual + TRIP_APART
        if bad and before is not None:
            return before, block
        before = block if bad else None
    return None


def mirror_harm(blocks: Sequence[OperationalBlock]) -> EProcess:
    """Evidence that the challenger fails requests that the champion answers, more often than the other way round.

    Given that exactly one of the two fails, the null says that it is the challenger with probability at most 1/2, on
    each key by itself (the sign test of McNemar 1947). Each block's factor is the mean of two bets on a larger
    probability, and at most CAP: what fails together in one batch is not independent.
    """
    path, log_e = [], 0.0
    for block in blocks:
        mine, other = block.mirrored.challenger_failed, block.mirrored.champion_failed
        logs = [mine * math.log(2 * p) + other * math.log(2 * (1 - p)) for p in (0.7, 0.95)]
        top = max(logs)
        factor = top + math.log(sum(math.exp(value - top) for value in logs) / len(logs))
        log_e += min(factor, math.log(CAP))
        path.append(math.exp(min(log_e, 600.0)))
    return EProcess(tuple(path))


def most_of(block: OperationalBlock) -> float:
    """How far one block may multiply the evidence for harm: what fails in one request is one event, however many keys
    the request holds."""
    return min(CAP, 2.0 ** max(block.challenger.failed_requests, 1))


def pair_coverage(blocks: Sequence[OperationalBlock]) -> float | None:
    """Share of the requests due to be scored by both versions that were; None where too few were due."""
    due = sum(block.mirrored.due for block in blocks)
    return sum(block.mirrored.pairs for block in blocks) / due if due >= LEAST_DUE else None


def _arm(stored: dict[str, Any]) -> Arm:
    counted = {name: Counted(**stored[name]) for name in ("first", "failure_free", "never_slow")}
    return Arm(**counted, requests=stored["requests"], failed_requests=stored["failed_requests"])
