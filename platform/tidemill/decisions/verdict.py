"""What every decision returns, and every reason one can have.

Reasons are the vocabulary of status, history, logs, plan and report alike: add one here, with its sentence, or not
at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar


class Reason(StrEnum):
    """Why. The text after each is what it means, once, for every place that shows it."""

    # data gate
    ADMITTED = "Admitted"  # the partition passed expectations and the learnt gate
    EMPTY = "Empty"  # the partition has no rows
    UNREADABLE = "Unreadable"  # the partition could not be read
    SCHEMA_CHANGED = "SchemaChanged"  # a column is missing or changed its type
    IN_THE_FUTURE = "InTheFuture"  # the partition holds events later than now
    EXPECTATION_FAILED = "ExpectationFailed"  # a hard expectation does not hold
    UNLIKE_HISTORY = "UnlikeHistory"  # farther from every admitted partition than the declared rate allows
    # signals
    SCHEDULE = "Schedule"
    NEW_DATA = "NewData"
    PERFORMANCE = "Performance"
    DRIFT = "Drift"
    MANUAL = "Manual"
    BOOTSTRAP = "Bootstrap"  # there is no champion yet
    # starting a turn
    NO_SIGNAL = "NoSignal"
    COOLDOWN = "Cooldown"
    BUDGET_SPENT = "BudgetSpent"
    TOO_FEW_OUTCOMES = "TooFewOutcomes"
    TURN_RUNNING = "TurnRunning"
    ROLLOUT_RUNNING = "RolloutRunning"
    TOO_LITTLE_DATA = "TooLittleData"
    # how a turn ended
    ACCEPTED = "Accepted"
    DATA_REJECTED = "DataRejected"
    NO_BETTER_THAN_CHAMPION = "NoBetterThanChampion"
    NO_BETTER_THAN_BASELINE = "NoBetterThanBaseline"
    SLICE_WORSE = "SliceWorse"
    NOT_A_NUMBER = "NotANumber"
    TRAINER_FAILED = "TrainerFailed"
    TIMED_OUT = "TimedOut"
    PIPELINE_FAILED = "PipelineFailed"
    ARTIFACT_CHANGED = "ArtifactChanged"  # the digest on disk is not the one that was registered
    # rollout
    STARTED = "Started"
    NOT_READY = "NotReady"
    GATHERING_EVIDENCE = "GatheringEvidence"
    NON_INFERIOR = "NonInferior"
    WORSE = "Worse"
    SAMPLE_RATIO_MISMATCH = "SampleRatioMismatch"
    INCONCLUSIVE = "Inconclusive"
    AWAITING_APPROVAL = "AwaitingApproval"
    APPROVED = "Approved"
    ABORTED_BY_PERSON = "AbortedByPerson"
    ROLLED_BACK_BY_PERSON = "RolledBackByPerson"
    SUPERSEDED = "Superseded"
    # repair
    NOT_EARNED = "NotEarned"  # the correction has not yet shown a gain over the uncorrected model
    EARNED = "Earned"
    WITHDRAWN = "Withdrawn"


A = TypeVar("A", bound=StrEnum)


@dataclass(frozen=True)
class Verdict(Generic[A]):
    """What to do, why, in a sentence, and the figures behind it (JSON-serialisable)."""

    action: A
    reason: Reason
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
