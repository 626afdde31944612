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
    BAD_LABELS = "BadLabels"  # a label in the partition is neither 0 nor 1
    IN_THE_FUTURE = "InTheFuture"  # the partition holds events later than now
    EXPECTATION_FAILED = "ExpectationFailed"  # a hard expectation does not hold
    UNLIKE_HISTORY = "UnlikeHistory"  # farther from every admitted partition than the declared rate allows
    LASTING_CHANGE = "LastingChange"  # partitions in a row are unlike history in the same columns; a person is asked
    OVER = "Over"  # partitions are like history again, and nothing needs an answer
    # signals
    SCHEDULE = "Schedule"  # the calendar says so
    NEW_DATA = "NewData"  # the admitted rows grew by the declared share
    PERFORMANCE = "Performance"  # the champion loses more than it promises
    DRIFT = "Drift"  # the inputs are not what they were
    MANUAL = "Manual"  # a person asked
    ALERT = "Alert"  # Alertmanager says that something around the loop is wrong
    BOOTSTRAP = "Bootstrap"  # there is no champion yet
    # starting a turn
    NO_SIGNAL = "NoSignal"  # there is no reason to train
    COOLDOWN = "Cooldown"  # the last turn is too recent
    BUDGET_SPENT = "BudgetSpent"  # this month's turns are used up
    TOO_FEW_OUTCOMES = "TooFewOutcomes"  # too few labels arrived since the last turn
    TURN_RUNNING = "TurnRunning"  # a turn is running already
    ROLLOUT_RUNNING = "RolloutRunning"  # a challenger is being tried; a turn waits for its end
    TOO_LITTLE_DATA = "TooLittleData"  # too few rows to train and evaluate on
    # how a turn ended
    IMAGE_MOVED = "ImageMoved"  # steps ran another image than before under the same name: its tag was moved
    ACCEPTED = "Accepted"  # the challenger cleared the bar and may enter a rollout
    DATA_REJECTED = "DataRejected"  # the turn's snapshot cannot be trained on
    NO_BETTER_THAN_CHAMPION = "NoBetterThanChampion"  # the challenger gains less over the champion than is asked
    NO_BETTER_THAN_BASELINE = "NoBetterThanBaseline"  # the challenger does not clear the heuristic
    SLICE_WORSE = "SliceWorse"  # the challenger loses too much on a slice
    NOT_A_NUMBER = "NotANumber"  # the challenger answers with something that is no probability
    TRAINER_FAILED = "TrainerFailed"  # the user's own code raised, or returned no model
    TIMED_OUT = "TimedOut"  # the turn took longer than model.timeout
    PIPELINE_FAILED = "PipelineFailed"  # a step of the pipeline failed
    CANCELLED = "Cancelled"  # the turn was ended before it was done
    ARTIFACT_CHANGED = "ArtifactChanged"  # a file is not what was registered, or not what the step before wrote
    # rollout
    STARTED = "Started"  # the rollout, or a step of it, began
    NOT_READY = "NotReady"  # a version, or a day, is not ready yet
    GATHERING_EVIDENCE = "GatheringEvidence"  # the evidence does not decide yet
    NON_INFERIOR = "NonInferior"  # the challenger is no worse, within the margins
    WORSE = "Worse"  # the challenger is worse
    SAMPLE_RATIO_MISMATCH = "SampleRatioMismatch"  # traffic is not split as declared, so that nothing can be compared
    INCONCLUSIVE = "Inconclusive"  # the rollout's time is over without a verdict
    AWAITING_APPROVAL = "AwaitingApproval"  # a person must approve
    APPROVED = "Approved"  # a person approved
    PAUSED_BY_PERSON = "PausedByPerson"  # a person keeps the rollout where it is
    RESUMED_BY_PERSON = "ResumedByPerson"  # a person lets the rollout go on
    ABORTED_BY_PERSON = "AbortedByPerson"  # a person ended the rollout
    ROLLED_BACK_BY_PERSON = "RolledBackByPerson"  # a person let the previous champion serve again
    ROUTED = "Routed"  # the data plane got another route
    SUPERSEDED = "Superseded"  # something newer took its place
    # repair
    NOT_EARNED = "NotEarned"  # the correction has not yet shown a gain over the uncorrected model
    EARNED = "Earned"  # the correction's gain stands: it serves
    WITHDRAWN = "Withdrawn"  # the correction's gain no longer stands: it serves no more


A = TypeVar("A", bound=StrEnum)


@dataclass(frozen=True)
class Verdict(Generic[A]):
    """What to do, why, in a sentence, and the figures behind it (JSON-serialisable)."""

    action: A
    reason: Reason
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
