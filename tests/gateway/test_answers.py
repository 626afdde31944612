"""Who answers, and what is logged about it: over HTTP, with real models, in the gateway's process and in others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import gateway_models as models
import orjson
import pyarrow.parquet as pq
import pytest
from gateway_harness import NOW, Running, outputs
from tidemill.gateway import mirror
from tidemill.gateway.split import unit
from tidemill.loop.errors import NotReady
from tidemill.loop.model import Arm, Calibrator, ModelVersion, Role, Route

Start = Callable[..., Running]
Versions = dict[str, ModelVersion]
KEYS = [f"k{number}" for number in range(40)]


@pytest.fixture(params=[False, True], ids=["in-process", "model-server"])
def remote(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def serve(
    running: Running, versions: Versions, *arms: Arm, fallback: tuple[str, ...] = (), unit: str | None = None
) -> None:
    for name in {*(arm.version for arm in arms), *fallback}:
        assert running.prepare(versions[name]).ready
    running.gateway.set_route(Route("delay", arms, fallback, unit))


def champion(version: str, weight: float = 1.0, mirror: float = 0.0) -> Arm:
    return Arm(version, Role.CHAMPION, weight, mirror)


def test_a_real_model_answers_as_its_estimator_does(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("real"))
    response = running.infer(["a", "b"], carrier=["AA", None], id="request-1")
    frame = models.EXAMPLE.head(2).assign(carrier=["AA", None], distance=500.0)
    assert outputs(response)["probability"] == pytest.approx(models.real_model().predict_proba(frame)[:, 1].tolist())
    assert response.json()["parameters"] == {"request_id": "request-1", "fallback": False}
    rows = running.rows()
    assert rows["key"].tolist() == ["a", "b"]
    assert rows["status"].tolist() == ["ok", "ok"]
    assert rows["served"].all()
    assert (rows["latency_ms"] > 0).all()


def test_a_batch_is_split_row_by_row_and_a_key_stays_with_its_arm(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm", 0.5), Arm("other", Role.CANARY, 0.5))
    expected = ["other" if unit(key, "other") < 0.5 else "calm" for key in KEYS]
    assert len(set(expected)) == 2
    batch = outputs(running.infer(KEYS))
    assert batch["version"] == expected
    assert batch["arm"] == ["canary" if version == "other" else "champion" for version in expected]
    assert batch["probability"] == pytest.approx([0.9 if version == "other" else 0.1 for version in expected])
    assert [outputs(running.infer([key]))["version"][0] for key in KEYS] == expected


def test_during_a_canary_both_versions_score_every_key(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm", 0.5, 1.0), Arm("other", Role.CANARY, 0.5, 1.0))
    answered = outputs(running.infer(KEYS))["version"]
    rows = running.rows()
    assert sorted(rows.loc[rows["served"], "version"]) == sorted(answered)
    assert rows.groupby("version")["key"].apply(sorted).tolist() == [sorted(KEYS)] * 2
    assert set(rows.loc[~rows["served"], "role"]) == {"shadow"}


def test_rows_are_logged_with_the_weight_that_their_arm_had_in_the_route_in_force(
    start: Start, versions: Versions
) -> None:
    running = start()
    serve(running, versions, champion("calm"), Arm("other", Role.SHADOW, 0.0, 1.0))
    running.infer(["early"])
    assert running.gateway.drain(20)
    serve(running, versions, champion("calm", 0.7, 1.0), Arm("other", Role.CANARY, 0.3, 1.0))
    running.infer(KEYS)
    rows = running.rows()
    shadowing, split = rows[rows["key"] == "early"], rows[rows["key"] != "early"]
    assert dict(zip(shadowing["role"], shadowing["weight"], strict=True)) == {"champion": 1.0, "shadow": 0.0}
    drawn = {"champion": ("calm", 0.7), "canary": ("other", 0.3)}
    for role, (version, weight) in drawn.items():
        mine = split[split["role"] == role]
        assert set(mine["version"]) == {version}
        assert mine["weight"].to_numpy() == pytest.approx(weight)
        copies = split[(split["role"] == "shadow") & split["key"].isin(mine["key"])]
        assert len(copies) == len(mine)
        assert version not in set(copies["version"])
        assert not copies["served"].any()
        assert (copies["weight"] == 0).all()


def test_rows_are_logged_with_the_value_of_the_column_that_the_route_names(start: Start, versions: Versions) -> None:
    running = start()
    arms = (champion("calm"), Arm("other", Role.SHADOW, 0.0, 1.0))
    serve(running, versions, *arms)
    running.infer(["early"])
    assert running.gateway.drain(20)
    serve(running, versions, *arms, unit="carrier")
    running.infer(["a", "b"], carrier=["AA", None])
    rows = running.rows()
    for role in ("champion", "shadow"):
        units = rows[rows["role"] == role].set_index("key")["unit"]
        assert units["a"] == "AA"
        assert units[["early", "b"]].isna().all()


def test_a_column_that_requests_do_not_have_is_logged_as_null(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm"), unit="batch")
    running.infer(["a"])
    assert running.rows()["unit"].isna().all()


def test_error_and_fallback_rates_are_counted_for_each_arm(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm", 0.5, 1.0), Arm("raises", Role.CANARY, 0.5, 1.0))
    running.infer(KEYS)
    assert running.gateway.drain(20)
    drawn = sum(unit(key, "raises") < 0.5 for key in KEYS)

    def answers(version: str, role: str, by: str) -> float:
        labels = f'{{by="{by}",loop="delay",role="{role}",version="{version}"}}'
        return running.metric(f"tidemill_answers_total{labels}")

    assert [answers("calm", "champion", by) for by in ("arm", "fallback")] == [len(KEYS) - drawn, 0]
    assert [answers("raises", "canary", by) for by in ("arm", "fallback")] == [0, drawn]
    failed = 'tidemill_predictions_total{loop="delay",role="canary",status="error",version="raises"}'
    assert running.metric(failed) == drawn


def test_a_fallback_has_the_weight_of_the_arm_that_it_stands_in_for(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm", 0.5, 1.0), Arm("raises", Role.CANARY, 0.5, 1.0))
    running.infer(KEYS)
    rows = running.rows()
    drawn = rows[rows["role"] == "canary"]
    assert set(drawn["version"]) == {"raises", "calm"}
    assert drawn["weight"].to_numpy() == pytest.approx(0.5)
    assert sorted(drawn.loc[drawn["served"], "key"]) == [key for key in sorted(KEYS) if unit(key, "raises") < 0.5]


def test_a_shadow_never_delays_an_answer(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm"), Arm("blocked", Role.SHADOW, 0.0, 1.0))
    assert outputs(running.infer(KEYS))["version"] == ["calm"] * len(KEYS)
    assert models.entered.wait(10)
    assert outputs(running.infer(["later"]))["version"] == ["calm"]  # the shadow still sits at the gate
    assert not running.gateway.drain(0.05)
    models.gate.set()
    rows = running.rows()
    assert sorted(rows.loc[rows["role"] == "shadow", "key"]) == sorted([*KEYS, "later"])


def test_a_shadow_that_does_not_answer_is_logged_and_what_waits_behind_it_is_not_held_against_it(
    start: Start, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "SECONDS", 0.5)
    running = start()
    serve(running, versions, champion("calm"), Arm("blocked", Role.SHADOW, 0.0, 1.0))
    running.infer(["first"])
    assert models.entered.wait(10)
    running.infer(["second"])
    assert running.gateway.drain(20)
    shadow = running.rows().query("role == 'shadow'").set_index("key")["status"]
    assert shadow.to_dict() == {"first": "timeout"}
    assert running.metric("tidemill_mirror_dropped_rows_total") == 1


def test_a_failing_arm_is_stood_in_for_and_both_facts_are_logged(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("raises"), fallback=("no number", "other"))
    response = running.infer(["a"])
    assert outputs(response)["version"] == ["other"]
    parameters = response.json()["parameters"]
    assert parameters["fallback"] is True
    assert "version raises: RuntimeError: the model fell over" in parameters["why"]
    rows = running.rows().set_index("version")
    assert rows["status"].to_dict() == {"raises": "error", "no number": "error", "other": "ok"}
    assert rows["served"].to_dict() == {"raises": False, "no number": False, "other": True}
    assert rows["fallback"].to_dict() == {"raises": False, "no number": True, "other": True}
    answers = 'tidemill_answers_total{by="%s",loop="delay",role="champion",version="raises"}'
    assert [running.metric(answers % by) for by in ("arm", "fallback", "none")] == [0, 1, 0]


@pytest.mark.parametrize(("stand_in", "fallback"), [("other", ()), ("raises", ("other",))])
def test_what_answers_in_place_of_the_champion_is_logged_counted_and_told_as_a_fallback(
    start: Start, versions: Versions, stand_in: str, fallback: tuple[str, ...]
) -> None:
    running = start()
    serve(running, versions, replace(champion(stand_in), stands_in_for="calm"), fallback=fallback)
    response = running.infer(["a"])
    assert outputs(response)["version"] == ["other"]
    parameters = response.json()["parameters"]
    assert parameters["fallback"] is True
    assert parameters["why"].startswith("version calm cannot serve")
    rows = running.rows()
    assert set(rows["version"]) == {stand_in, "other"}
    assert set(rows["role"]) == {"champion"}
    assert rows["fallback"].all()
    answers = 'tidemill_answers_total{by="%s",loop="delay",role="champion",version="%s"}'
    assert running.metric(answers % ("fallback", "calm")) == 1
    assert running.metric("tidemill_answers_total{") == 1, "and as nothing else"


def test_an_arm_that_is_too_slow_is_stood_in_for(start: Start, versions: Versions) -> None:
    running = start(timeout="300ms")
    serve(running, versions, champion("blocked"), fallback=("other",))
    response = running.infer(["a"])
    assert outputs(response)["version"] == ["other"]
    assert "no answer after 300 ms" in response.json()["parameters"]["why"]
    rows = running.rows().set_index("version")
    assert rows["status"].to_dict() == {"blocked": "timeout", "other": "ok"}


def test_a_failing_canary_falls_back_to_the_champion_and_is_not_mirrored_again(
    start: Start, versions: Versions
) -> None:
    running = start()
    serve(running, versions, champion("calm", 0.5, 1.0), Arm("raises", Role.CANARY, 0.5, 1.0), fallback=("other",))
    assert outputs(running.infer(KEYS))["version"] == ["calm"] * len(KEYS)
    rows = running.rows()
    canary = rows[rows["role"] == "canary"]
    assert set(zip(canary["version"], canary["status"], strict=True)) == {("raises", "error"), ("calm", "ok")}
    assert len(rows) == 2 * len(KEYS)


def test_one_bad_request_does_not_fail_those_that_share_its_batch(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("poisonable"))
    plane = running.gateway.loader("delay")
    front = plane.loaded("poisonable").front
    cells = [[["UA"], [1.0]], [["poison"], [1.0]], [["DL"], [1.0]]]

    async def together() -> list[object]:
        import asyncio

        return await asyncio.gather(*(front.submit(part, 1) for part in cells), return_exceptions=True)

    import asyncio

    # The first is taken at once; the other two wait for it and share a batch.
    first, second, third = asyncio.run(together())
    assert first == pytest.approx([0.5])
    assert "the model fell over" in str(second)
    assert third == pytest.approx([0.5])


@pytest.mark.parametrize("temper", models.ENDINGS)
def test_whatever_a_model_raises_fails_that_request_and_its_version_answers_the_next_one(
    temper: str, start: Start, versions: Versions
) -> None:
    running = start()
    serve(running, versions, champion(temper), fallback=("other",))
    for number in range(3):
        assert outputs(running.infer([f"bad{number}"], carrier=["poison"]))["version"] == ["other"]
        assert outputs(running.infer([f"good{number}"]))["version"] == [temper]
    errors = f'tidemill_predictions_total{{loop="delay",role="champion",status="error",version="{temper}"}}'
    assert running.metric(errors) == 3
    rows = running.rows()
    assert (rows["status"] == "error").sum() == 3


def test_whatever_a_shadow_raises_it_scores_the_next_request(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm"), Arm("exits", Role.SHADOW, 0.0, 1.0))
    running.infer(["bad"], carrier=["poison"])
    assert running.gateway.drain(20)
    running.infer(["good"])
    shadow = running.rows().query("role == 'shadow'").set_index("key")["status"]
    assert shadow.to_dict() == {"bad": "error", "good": "ok"}


def test_probabilities_for_fewer_rows_than_were_asked_about_are_an_error(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("short"), fallback=("other",))
    response = running.infer(["a", "b"], carrier=["poison", "UA"])
    assert outputs(response)["version"] == ["other", "other"]
    assert "2 rows with an array of shape (1,)" in response.json()["parameters"]["why"]


def test_when_nobody_can_answer_the_caller_hears_why(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("raises"), fallback=("no number",))
    response = running.infer(["a"])
    assert response.status_code == 503
    assert "fell over" in response.json()["error"]
    assert "not a probability" in response.json()["error"]
    assert len(running.rows()) == 2
    assert running.metric('tidemill_answers_total{by="none",loop="delay",role="champion",version="raises"}') == 1


def test_the_calibrator_is_applied_and_logged(start: Start, versions: Versions) -> None:
    running = start()
    calibrator = Calibrator("c-1", "calm", intercept=1.0, slope=1.0, fitted_at=NOW)
    serve(running, versions, replace(champion("calm"), calibrator=calibrator))
    response = running.infer(["a"])
    assert outputs(response)["probability"] == pytest.approx([0.2319693])  # odds 1/9 times e
    assert response.json()["parameters"]["calibrators"] == "calm: c-1"
    row = running.rows().iloc[0]
    assert (row["raw"], row["calibrator"]) == (pytest.approx(0.1), "c-1")
    assert row["score"] == pytest.approx(0.2319693)


def test_a_version_asked_for_by_name_is_no_evidence(start: Start, versions: Versions, tmp_path: Path) -> None:
    running = start()
    serve(running, versions, champion("calm"), Arm("other", Role.SHADOW, 0.0, 1.0))
    fixed = running.infer(["a"], path="/v2/models/delay/versions/other/infer")
    assert outputs(fixed)["arm"] == ["fixed"]
    assert running.rows().empty
    assert running.metric('tidemill_predictions_total{loop="delay",role="fixed"') == 1
    lines = b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl")).splitlines()
    parts = [pq.ParquetFile(path).read() for path in tmp_path.rglob("part-*.parquet")]
    logged = [orjson.loads(line) for line in lines] + [row for part in parts for row in part.to_pylist()]
    assert [(row["role"], row["weight"]) for row in logged] == [("fixed", None)]


def test_event_time_comes_from_the_request_or_is_now(start: Start, versions: Versions) -> None:
    running = start()
    serve(running, versions, champion("calm"))
    tensors = {
        "flight": ("BYTES", ["a", "b"]),
        "departure": ("BYTES", ["2013-03-01T05:15:00Z", None]),
        "carrier": ("BYTES", ["UA", "UA"]),
        "distance": ("INT64", [500, 500]),
    }
    inputs = [{"name": n, "shape": [2], "datatype": kind, "data": data} for n, (kind, data) in tensors.items()]
    outputs(running.http.post("/v2/models/delay/infer", json={"inputs": inputs}))
    times = running.rows().set_index("key")["event_time"].to_dict()
    assert times == {"a": datetime.fromisoformat("2013-03-01T05:15:00+00:00"), "b": NOW}


def test_a_route_with_an_unprepared_version_is_refused(start: Start, versions: Versions) -> None:
    running = start()
    with pytest.raises(NotReady, match="unheard"):
        running.gateway.set_route(Route("delay", (champion("unheard"),)))


def test_predictions_are_answered_on_a_full_disk_and_the_loss_is_counted(
    start: Start, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidemill.adapters.log import write_ahead

    running = start()
    serve(running, versions, champion("calm"))
    assert running.infer(["before"]).status_code == 200

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(write_ahead.os, "write", full)
        assert outputs(running.infer(["lost"]))["version"] == ["calm"]
    assert running.infer(["after"]).status_code == 200
    assert running.metric("tidemill_prediction_log_lost_rows_total") == 1
    assert running.rows()["key"].tolist() == ["before", "after"]
