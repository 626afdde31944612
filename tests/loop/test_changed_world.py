"""A lasting change of the world blinds the loop in nothing: neither judge, repair, performance, nor drift."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from small_world import Small, SmallWorld, events, model_loop, small

TURN = date(2020, 2, 14)


class WithAColumnNobodyUses(SmallWorld):
    """The same days; `w` moves for good on the day on which the base rate does, or stays what it was."""

    moves = True

    def delivered(self, day: date) -> pd.DataFrame:
        batch = super().delivered(day)
        rng = np.random.default_rng(day.toordinal() + 10**6)
        return batch.assign(w=rng.normal(8.0 if self.moves and day >= TURN else 0.0, 1.0, len(batch)))


def lived(folder: Path, moves: bool) -> tuple[Small, list[float]]:
    world = WithAColumnNobodyUses(turn=TURN, rows=200)
    world.moves = moves
    rule = {"falseAlarms": "1/y", "action": "alert"}
    it = small(folder, world, model_loop(triggers={"drift": rule, "limits": {"cooldown": "3d"}}))
    it.replay.bootstrap()
    losses = [day.loss for day in it.replay.days() if TURN <= day.day <= date(2020, 3, 5)]
    return it, losses


def test_a_column_nobody_uses_that_moves_for_good_costs_nothing_and_is_one_question(tmp_path: Path) -> None:
    calm, without = lived(tmp_path / "calm", moves=False)
    moved, with_it = lived(tmp_path / "moved", moves=True)
    assert np.abs(np.array(with_it) - np.array(without))[3:].max() < 0.005
    assert events(moved.context, "calibrator.serving"), "the repair sees the days that are unlike history"
    assert not events(calm.context, "incident.opened", "drift.alert")
    assert len(events(moved.context, "incident.opened")) == 1
    assert len(events(moved.context, "drift.alert")) == 1
    held = events(moved.context, "partition.quarantined")
    assert len(held) <= 3, "the days after those are counted, not told one by one"
