"""A person decides on these sentences: they hold the figures that decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_facts import CANARY, ROLLOUT, START, arm, arms, canary, facts, mirrored, paired, with_
from tidemill.decisions.operation import Counted, Mirrored, OperationalBlock
from tidemill.decisions.rollout import advance
from tidemill.decisions.rollout_words import blocks
from tidemill.spec.model_loop import Judge, JudgeMetric
from tidemill.stats.sample_ratio import SplitBlock

LATE = START + ROLLOUT.max_duration


@pytest.mark.parametrize(
    ("number", "hours", "said"),
    [
        (0, 24, "0 days"),
        (1, 24, "1 day"),
        (0, 4, "0 blocks of 4 h"),
        (2, 24, "2 days"),
        (1, 4, "1 block of 4 h"),
        (3, 4, "3 blocks of 4 h"),
    ],
)
def test_blocks_are_counted_in_days_where_they_are_days(number: int, hours: int, said: str) -> None:
    assert blocks(number, hours) == said


def test_a_failing_challenger_is_told_beside_the_champion() -> None:
    block = OperationalBlock("12:05", tried=Counted(100, 90), beside=Counted(80, 3))
    message = advance(facts(operation=(block, block)), ROLLOUT).message
    assert "it failed 90 of 100 keys in the minutes from 12:05" in message
    assert "of the champion's 80 failed 3" in message


def test_both_blocks_of_a_trip_are_told_however_far_apart() -> None:
    bad, few = Counted(100, 90), Counted(9, 0)
    blocks = tuple(
        OperationalBlock(at, tried=tried) for at, tried in (("03:00", Counted(40, 30)), ("09:00", few), ("20:05", bad))
    )
    message = advance(facts(operation=blocks), ROLLOUT).message
    assert "it failed 90 of 100 keys in the minutes from 20:05" in message
    assert "Of the 40 keys in the minutes from 03:00, the last before with 10 or more, it failed 30" in message


def test_unseen_failures_of_both_versions_are_added_up() -> None:
    block = OperationalBlock("12:05", mirrored=Mirrored(400, 400, champion_failed=1, challenger_failed=9))
    message = advance(facts(operation=(block,) * 4), ROLLOUT).message
    assert "it failed 36 requests that the champion answered, the champion 4 that it answered" in message
    assert "200 aborts" in message


def test_harm_is_told_with_its_size_its_rows_and_its_evidence() -> None:
    message = advance(facts(paired=paired(*[0.1] * 7)), ROLLOUT).message
    assert "log_loss is worse than the champion's, by +0.1000 over 6300 requests of 7 days" in message
    assert "50 aborts" in message
    rates = advance(facts(CANARY, operation=arms(3, challenger=(90, 40))), ROLLOUT).message
    assert "error_rate is worse than the champion's, by +0.4444 over 270 keys" in rates


def test_a_broken_split_is_told_with_its_keys_and_all_its_weights() -> None:
    broken = canary(arm(450), arm(450))
    half = replace(broken, split=(SplitBlock(0.5, 30, 20),))
    message = advance(facts(CANARY, operation=(broken, broken, half)), ROLLOUT).message
    assert "it answered 920 of 1850 keys, which does not fit its weight (10%, 50%)" in message


def test_what_is_not_ready_says_why_and_when_its_time_is_over() -> None:
    assert advance(facts(ready=False), ROLLOUT).message == "not ready: the data plane has not loaded it yet"
    assert advance(facts(ready=False, ready_message="pulling"), ROLLOUT).message == "not ready: pulling"
    assert advance(facts(ready=False, now=LATE), ROLLOUT).message.endswith("; and the rollout's time is over")


def test_a_changed_artifact_says_which() -> None:
    message = advance(facts(ready=False, artifact_changed=True, ready_message="model.bin differs"), ROLLOUT).message
    assert "not the registered ones (model.bin differs); train again" in message


def test_too_few_pairs_are_told_beside_what_is_needed() -> None:
    message = advance(facts(operation=mirrored(3, 158, 0, due=200)), ROLLOUT).message
    assert "both versions scored 79% of the requests that both were to score, 80% are needed" in message
    assert advance(facts(operation=mirrored(3, 160, 0, due=200)), ROLLOUT).action == "advance"


def test_what_suffices_is_told_for_every_metric_with_its_margin() -> None:
    message = advance(facts(CANARY, paired=paired(*[0.001] * 12)), ROLLOUT).message
    assert "on 12 days: log_loss +0.0010 (margin 0.02), error_rate +0.0000 (margin 0.01)" in message
    shadow = advance(facts(paired=paired(*[0.001] * 12)), ROLLOUT).message
    assert "error_rate" not in shadow, "a shadow has no arm of its own"
    hours = advance(facts(paired=paired(*[0.0] * 20), block_hours=4), ROLLOUT).message
    assert "20 blocks of 4 h" in hours


def test_of_several_losses_the_one_that_was_measured_least_gives_the_warning() -> None:
    both = with_(judge=Judge(metrics=tuple(JudgeMetric(metric=name, margin=0.02) for name in ("log_loss", "brier"))))
    days = list(paired(*[-0.001] * 20))
    days[:8] = [replace(day, differences={"log_loss": -0.001}) for day in days[:8]]
    message = advance(facts(paired=tuple(days)), both).message
    assert "rarer than 22% may not have come yet" in message, "12 days of brier"
    assert "the worst block was -0.0003" in message


def test_without_a_loss_there_is_no_warning_about_blocks() -> None:
    rates = with_(judge=Judge(metrics=(JudgeMetric(metric="error_rate", margin=0.01),)))
    message = advance(facts(CANARY, paired=()), rates).message
    assert "on 0 days: error_rate +0.0000 (margin 0.01)" in message
    assert "worst block" not in message
    assert "on 0 days: no metric" in advance(facts(paired=()), rates).message


def test_while_evidence_is_gathered_each_condition_says_how_far_it_is() -> None:
    message = advance(facts(CANARY, operation=arms(1), step_outcomes=7), ROLLOUT).message
    first, loss, errors = message.split("; ")
    assert first == "7 of 500 outcomes"
    assert loss == "log_loss stands after 12 days (+0.0000, margin 0.02)"
    assert errors.startswith("error_rate evidence ")
    assert errors.endswith("of 20 after 90 keys (+0.0000, margin 0.01)")
    nothing = advance(facts(paired=()), ROLLOUT).message
    assert "log_loss evidence 1 of 20 after 0 days (no figure, margin 0.02)" in nothing


def test_what_was_not_decided_in_time_says_how_long_it_took_and_who_decides_now() -> None:
    undecided = advance(facts(paired=paired(*[0.02, -0.01] * 3), now=LATE), ROLLOUT).message
    assert undecided.startswith("28 days were not enough to decide: 5000 of 1000 outcomes; log_loss")
    assert undecided.endswith("decide with `tidemill approve` or `tidemill abort`")
    assert advance(facts(paired=(), now=LATE), ROLLOUT).message.startswith("no data; 28 days")


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (timedelta(hours=12), "12 hours"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(days=1), "24 hours"),
        (timedelta(days=2), "2 days"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=1), "60 minutes"),
        (timedelta(seconds=60.5), "60.5 seconds"),
    ],
)
def test_a_time_that_was_not_enough_is_told_in_a_unit_that_fits(duration: timedelta, said: str) -> None:
    message = advance(facts(paired=(), now=START + duration), with_(max_duration=duration)).message
    assert message.startswith(f"no data; {said} were not enough to decide")


def test_blocks_of_hours_say_how_many_days_they_have_seen() -> None:
    hours = tuple(
        replace(block, id=f"2013-03-0{1 + n // 6}T{4 * (n % 6):02}") for n, block in enumerate(facts().paired)
    )
    message = advance(facts(paired=hours, block_hours=4), ROLLOUT).message
    assert message.endswith("a fault of certain days is not seen on others: these were 2 days")
    assert "certain days" not in advance(facts(), ROLLOUT).message
