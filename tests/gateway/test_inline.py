"""The plane of a backtest decides and logs as the gateway does: what is compared on it was served alike."""

from __future__ import annotations

from collections.abc import Callable

import gateway_models as models
import pandas as pd
import pytest
from gateway_harness import NOW, Running, StillClock, loop, outputs
from tidemill.adapters.memory_stores import MemoryOutcomes, MemoryPredictionLog
from tidemill.gateway.inline import InlineDataPlane
from tidemill.loop.errors import TidemillError
from tidemill.loop.model import Arm, ModelVersion, Role, Route

KEYS = [f"k{number}" for number in range(60)]
P = {"calm": 0.1, "other": 0.9}
ROUTES = {
    "alone": (Arm("calm", Role.CHAMPION, 1.0, 0.0),),
    "a stand-in": (Arm("calm", Role.CHAMPION, 1.0, 0.0, stands_in_for="real"),),
    "shadow": (Arm("calm", Role.CHAMPION, 1.0, 0.0), Arm("other", Role.SHADOW, 0.0, 1.0)),
    "a part in shadow": (Arm("calm", Role.CHAMPION, 1.0, 0.0), Arm("other", Role.SHADOW, 0.0, 0.4)),
    "canary": (Arm("calm", Role.CHAMPION, 0.7, 1.0), Arm("other", Role.CANARY, 0.3, 1.0)),
}
LOGGED = ["key", "version", "role", "served", "status", "raw", "score", "fallback", "weight", "unit"]


COLUMNS = ("distance", "carrier", "unheard-of")


@pytest.mark.parametrize(("name", "column"), [*((name, None) for name in ROUTES), *(("canary", c) for c in COLUMNS)])
def test_a_backtest_answers_and_logs_as_the_gateway_does(
    name: str, column: str | None, start: Callable[..., Running], versions: dict[str, ModelVersion]
) -> None:
    running, route = start(), Route("delay", ROUTES[name], (), column)
    for arm in route.arms:
        assert running.gateway.prepare("delay", versions[arm.version]).ready
    running.gateway.set_route(route)
    answers = outputs(running.infer(KEYS))

    log = MemoryPredictionLog()
    plane = InlineDataPlane(
        loop().spec.data, log, MemoryOutcomes(), StillClock(), lambda version: models.Constant(P[version.version])
    )
    for arm in route.arms:
        plane.prepare(versions[arm.version])
    plane.set_route(route)
    frame = pd.DataFrame({"flight": KEYS, "carrier": "UA", "distance": 500.0, "departure": NOW})
    inline = plane.predict(frame)

    assert inline["version"].tolist() == answers["version"]
    assert inline["arm"].tolist() == answers["arm"]
    assert inline["probability"].tolist() == pytest.approx(answers["probability"])
    day = pd.Timestamp(NOW).floor("D").to_pydatetime()
    pd.testing.assert_frame_equal(
        _ordered(log.read(day, day + pd.Timedelta(days=1))), _ordered(running.rows()), check_dtype=False
    )


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    units = rows["unit"].astype(object)
    found = rows.assign(unit=units.where(units.notna(), None))
    return found[LOGGED].sort_values(["key", "version"], ignore_index=True)


def test_a_model_that_ends_the_process_is_named_and_ends_the_backtest_with_an_error(
    versions: dict[str, ModelVersion],
) -> None:
    plane = InlineDataPlane(
        loop().spec.data, MemoryPredictionLog(), MemoryOutcomes(), StillClock(),
        lambda version: models.Constant(0.5, version.version),
    )  # fmt: skip
    plane.prepare(versions["exits"])
    plane.set_route(Route("delay", (Arm("exits", Role.CHAMPION, 1.0, 0.0),)))
    frame = pd.DataFrame({"flight": ["a"], "carrier": "poison", "distance": 500.0, "departure": NOW})
    with pytest.raises(TidemillError, match="Version exits ended the backtest: SystemExit: 3"):
        plane.predict(frame)
