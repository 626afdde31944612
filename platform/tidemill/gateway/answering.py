"""One request: row by row to the arms, and from an arm that fails to those that stand in for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from tidemill.loop.model import Arm, Calibrator, Route

from .protocol import Inference
from .records import Failed, Group, Rows, Scored, scored
from .refusals import Refused
from .schema import Cells
from .scoring import Model, Overloaded
from .split import split
from .user_code import failure

_log = logging.getLogger(__name__)

Models = Mapping[str, Model]
Calibrators = Mapping[str, Calibrator | None]


async def answer(
    route: Route, models: Models, calibrators: Calibrators, champion: Arm, request: Inference, timeout: float
) -> list[Group]:
    """Raises Refused (400) where the champion's schema does not fit: then the request is wrong, not a model."""
    cells = models[champion.version].cells(request.columns)
    parts = split(route, request.keys)
    chains = [_chain(arm, champion, route.fallback) for arm, _ in parts]
    answers = [
        _group(arm, rows, chain, models, calibrators, request, (models[champion.version], cells), timeout)
        for (arm, rows), chain in zip(parts, chains, strict=True)
    ]
    if len(answers) == 1:
        return [await answers[0]]
    return list(await asyncio.gather(*answers))


async def answer_fixed(model: Model, calibrator: Calibrator | None, request: Inference, timeout: float) -> Group:
    cells = model.cells(request.columns)
    rows = range(len(request.keys))
    result = await _try(model, calibrator, cells, rows, timeout)
    return Group(None, rows, result) if isinstance(result, Scored) else Group(None, rows, None, [result])


def _chain(arm: Arm, champion: Arm, fallback: Sequence[str]) -> list[str]:
    """A canary that fails is stood in for by the champion first."""
    return list(dict.fromkeys([arm.version, champion.version, *fallback]))


async def _group(
    arm: Arm,
    rows: Rows,
    chain: Sequence[str],
    models: Models,
    calibrators: Calibrators,
    request: Inference,
    known: tuple[Model, Cells],
    timeout: float,
) -> Group:
    failed: list[Failed] = []
    for version in chain:
        model = models[version]
        try:
            cells = pick(cells_for(model, request, known), rows, len(request.keys))
        except Refused as error:
            failed.append(Failed(version, rows, "error", f"version {version}: {error}", 0.0))
            continue
        result = await _try(model, calibrators.get(version), cells, rows, timeout)
        if isinstance(result, Scored):
            return Group(arm, rows, result, failed)
        failed.append(result)
    return Group(arm, rows, None, failed)


def cells_for(model: Model, request: Inference, known: tuple[Model, Cells]) -> Cells:
    """The columns a model wants; made once where two models want the same."""
    other, cells = known
    if model is other or (model.schema is not None and model.schema == other.schema):
        return cells
    return model.cells(request.columns)


def pick(cells: Cells, rows: Rows, n: int) -> Cells:
    return cells if len(rows) == n else [[values[row] for row in rows] for values in cells]


async def _try(
    model: Model, calibrator: Calibrator | None, cells: Cells, rows: Rows, timeout: float
) -> Scored | Failed:
    start = perf_counter()
    try:
        raw: Any = await model.front.submit(cells, len(rows), timeout)
    except TimeoutError:
        why = f"version {model.version}: no answer after {timeout * 1000:g} ms"
        return Failed(model.version, rows, "timeout", why, (perf_counter() - start) * 1000)
    except Overloaded as error:
        return Failed(model.version, rows, "error", f"version {model.version}: {error}", 0.0)
    except Exception as error:
        why = f"version {model.version}: {failure(error)}"
        _log.warning("%s", why)
        return Failed(model.version, rows, "error", why, (perf_counter() - start) * 1000)
    return scored(model.version, rows, raw, calibrator, (perf_counter() - start) * 1000)
