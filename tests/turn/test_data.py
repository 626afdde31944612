from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from tidemill.adapters.file_source import read_table
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import DataUnreadable
from tidemill.loop.frames import canonical
from tidemill.loop.model import Partition, TurnRequest
from tidemill.loop.turn import data
from tidemill.loop.turn.request import folder_of
from tidemill.loop.turn.user_code import TrainerFailed
from turn_world import DAYS, HOLD_OUT, LOGISTIC, ROWS, rows_of, turn


def assembled(request: TurnRequest) -> pd.DataFrame:
    spec = data.spec_of(request)

    def read(partition: Partition) -> pd.DataFrame:
        return canonical(read_table(folder_of(partition.uri), spec.data.key), spec.data)

    return data.assemble(request, read, pd.read_parquet(folder_of(request.labels_uri)), data.delivered_digest)


def objection(request: TurnRequest, failures: tuple[str, ...] = ()) -> tuple[Reason, str] | None:
    return data.objection(assembled(request), data.spec_of(request), request.as_of, list(failures))


def test_rows_with_a_label_are_joined_by_key_and_ordered_by_time(tmp_path: Path) -> None:
    frame = assembled(turn(tmp_path, labels=lambda known: known.sample(frac=1, random_state=0).iloc[10:]))
    assert len(frame) == DAYS * ROWS - 10
    assert frame["at"].is_monotonic_increasing
    truth = pd.concat([rows_of(day) for day in range(DAYS)]).set_index("id")["y"]
    assert (frame.set_index("id")["y"] == truth.reindex(frame["id"])).all()


def test_a_label_column_in_the_delivery_does_not_leak(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    wrong = rows_of(0).assign(y=0.5)
    wrong.to_parquet(tmp_path / "data" / "2020-01-01.parquet", index=False)
    frame = assembled(turn(tmp_path))
    assert set(frame["y"]) == {0.0, 1.0}
    assert objection(turn(tmp_path)) is None


def test_of_a_key_delivered_twice_the_last_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    again = pd.concat([rows_of(1), rows_of(0).head(1).assign(x=99.0)]).drop(columns="y")
    again.to_parquet(tmp_path / "data" / "2020-01-02.parquet", index=False)
    frame = assembled(turn(tmp_path)).set_index("id")
    assert frame.index.is_unique
    assert frame.loc["0-0", "x"] == 99.0


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
def test_a_partition_whose_bytes_are_others_now_is_not_trained_on(tmp_path: Path, gone: bool) -> None:
    request = turn(tmp_path)
    path = folder_of(request.partitions[3].uri)
    path.unlink()
    if not gone:
        rows_of(3).drop(columns="y").head(5).to_parquet(path, index=False)
    with pytest.raises(DataUnreadable, match=f"Partition {request.partitions[3].id}"):
        assembled(request)


def test_sound_data_has_no_objection(tmp_path: Path) -> None:
    assert objection(turn(tmp_path)) is None


def test_no_label_at_all(tmp_path: Path) -> None:
    found = objection(turn(tmp_path, labels=lambda known: known.head(0)))
    assert found is not None
    assert found[0] is Reason.DATA_REJECTED
    assert "send outcomes" in found[1]


def test_labels_that_are_no_labels(tmp_path: Path) -> None:
    found = objection(turn(tmp_path, labels=lambda known: known.assign(label=known["label"] * 2)))
    assert found == (Reason.DATA_REJECTED, "The label y holds 2.0; a binary label is 0 or 1.")


def test_one_class_only(tmp_path: Path) -> None:
    found = objection(turn(tmp_path, labels=lambda known: known.assign(label=1.0)))
    assert found is not None
    assert "hold one class only" in found[1]


def test_an_empty_hold_out(tmp_path: Path) -> None:
    early = (DAYS - HOLD_OUT) * ROWS
    found = objection(turn(tmp_path, labels=lambda known: known.head(early)))
    assert found is not None
    assert found[0] is Reason.DATA_REJECTED
    assert re.fullmatch(
        r"No labelled row lies in the hold-out, the last 4 days before [0-9-]{10}: the newest is of [0-9-]{10}\.",
        found[1],
    )


def test_a_window_that_holds_nothing_to_train_on(tmp_path: Path) -> None:
    old_and_held_out = lambda known: known[~known["key"].str.match(r"[3-7]-")]  # noqa: E731
    assert objection(turn(tmp_path, labels=old_and_held_out)) is None
    found = objection(turn(tmp_path, labels=old_and_held_out, window={"train": "5d"}))
    assert found is not None
    assert "The 0 rows before the hold-out" in found[1]


def test_failed_expectations_are_named_three_at_most(tmp_path: Path) -> None:
    found = objection(turn(tmp_path), ("a: no", "b: no", "c: no", "d: no"))
    assert found is not None
    assert found[1] == "The snapshot fails 4 expectation(s): a: no; b: no; c: no, and 1 more."


def test_a_slice_that_is_no_column_is_said_not_ignored(tmp_path: Path) -> None:
    assert objection(turn(tmp_path, evaluation={"slices": ["place"]})) is None
    found = objection(turn(tmp_path, evaluation={"slices": ["plaice"]}))
    assert found is not None
    assert "evaluation.slices names plaice" in found[1]


def prepared(request: TurnRequest) -> data.Prepared:
    return data.prepare(assembled(request), data.spec_of(request), request.as_of, Path(request.project))


def test_the_hold_out_is_the_latest_rows(tmp_path: Path) -> None:
    found = prepared(request := turn(tmp_path))
    assert found.late.sum() == HOLD_OUT * ROWS
    first = request.as_of - timedelta(days=HOLD_OUT)
    assert found.raw.loc[found.late, "at"].min() >= first > found.raw.loc[~found.late, "at"].max()
    assert list(found.X.columns) == ["at", "x", "z", "place"]


def test_a_sliding_window_ends_before_the_hold_out(tmp_path: Path) -> None:
    found = prepared(turn(tmp_path, window={"train": "5d"}))
    assert (~found.late).sum() == 5 * ROWS
    assert found.late.sum() == HOLD_OUT * ROWS


FEATURES = "\ndef features(frame):\n    "


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return frame[['nothing']]", "raised KeyError"),
        ("return frame.to_numpy()", "returned a ndarray of 720 rows for 720 rows. Return a DataFrame"),
        ("return frame.head(3)", "returned a DataFrame of 3 rows for 720 rows"),
        ("return None", "returned a NoneType for 720 rows"),
    ],
)
def test_a_features_function_that_gives_no_frame_of_the_rows(tmp_path: Path, body: str, said: str) -> None:
    request = turn(tmp_path, LOGISTIC + FEATURES + body)
    module = request.spec["spec"]["model"]["trainer"].partition(":")[0]
    request.spec["spec"]["model"]["features"] = f"{module}:features"
    with pytest.raises(TrainerFailed, match=said):
        prepared(request)
