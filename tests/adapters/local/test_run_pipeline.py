"""What a failed run says where no step could: its log does."""

from __future__ import annotations

from tidemill.adapters.local.run_pipeline import conclude

KFP = "RuntimeError: Pipeline 'p' finished with status FAILURE. Inner task failed: '{}' inside 'condition-1'."
TRACE = """Traceback (most recent call last):
  File "ephemeral_component.py", line 12, in train
    from tidemill.loop.turn import steps
ModuleNotFoundError: No module named 'tidemill.loop'
"""


def test_a_trainers_process_that_was_killed_is_the_trainers_failure() -> None:
    found = conclude({"ingest": {}}, KFP.format("train"), "Task 'train' finished with status FAILURE\n")
    assert (found["phase"], found["reason"], found["step"]) == ("failed", "TrainerFailed", "train")
    assert found["message"].startswith("Step train failed: its process ended without a word")
    assert "run.log" in found["message"]


def test_a_run_that_ended_because_something_was_away_is_to_be_submitted_again() -> None:
    away = {"failed": True, "temporary": True, "reason": "PipelineFailed", "message": "MLflow does not answer."}
    found = conclude({"ingest": {}, "register": away}, KFP.format("register"))
    assert (found["phase"], found["step"]) == ("unknown", "register")
    assert found["message"] == "Step register could not go on: MLflow does not answer."


def test_a_step_whose_record_could_not_be_written_for_the_same_cause_is_so_too() -> None:
    log = "tidemill.loop.errors.TemporaryError: s3://b/k could not be read or written: timed out\n"
    found = conclude({"ingest": {}}, KFP.format("features"), log)
    assert (found["phase"], found["step"]) == ("unknown", "features")
    assert "s3://b/k could not be read or written" in found["message"]


def test_another_steps_process_that_was_killed_is_the_pipelines() -> None:
    found = conclude({}, KFP.format("register"))
    assert (found["reason"], found["step"]) == ("PipelineFailed", "register")


def test_the_last_error_in_the_log_is_said() -> None:
    found = conclude({}, KFP.format("train"), "OSError: an older one\n" + TRACE + "and some more words\n")
    assert (found["reason"], found["step"]) == ("PipelineFailed", "train")
    assert "Step train failed: ModuleNotFoundError: No module named 'tidemill.loop'. The run's log" in found["message"]


def test_what_a_step_recorded_goes_before_what_kubeflow_says() -> None:
    record = {"failed": True, "reason": "TrainerFailed", "message": "m:train raised ValueError: no"}
    found = conclude({"ingest": {}, "train": record}, KFP.format("train"), TRACE)
    assert (found["reason"], found["step"], found["message"]) == ("TrainerFailed", "train", record["message"])
