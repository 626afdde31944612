"""The last step of a turn: the refitted model and its baseline in MLflow, with everything that tells where they came
from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidemill.adapters.mlflow_registry import ROLE, SCHEMA, MlflowRegistry, schema_tag
from tidemill.loop.model import TurnRequest
from tidemill.loop.turn import cards, steps
from tidemill.loop.turn.files import join


def register_turn(request: TurnRequest, refitted: Path) -> tuple[dict[str, Any], str]:
    """The step's record (`version`, `baseline_version`, `uri`, `run_id`) and the model card as Markdown.

    Idempotent per turn: run again, it finds the run and the versions that it made.
    """
    records = steps.records(request.work_uri)
    home = request.work_uri.rsplit("/", 2)[0]  # of the loop: turns are kept in home/turns/<turn>
    registry = MlflowRegistry(request.tracking_uri, join(home, "artifacts"))
    parent = {} if request.champion is None else {"tidemill.parent": request.champion.version}
    lineage = {"tidemill.snapshot": request.snapshot, "tidemill.signals": ",".join(request.signals), **parent}
    name = request.prefix + request.loop
    run_id = registry.run(name, request.id, lineage)
    card = cards.model_card(request, records)
    params = {
        "trainer": records["train"]["trainer"],
        "rows": records["refit"]["rows"],
        "as_of": request.as_of.isoformat(),
        "partitions": len(request.partitions),
        "data_digest": records["ingest"]["digest"],
    }
    registry.log(run_id, params, _metrics(records["evaluate"]), {"model_card.md": card})
    tags = {
        **lineage,
        "tidemill.trained_until": request.as_of.isoformat(),
        "tidemill.run": run_id,
        SCHEMA: schema_tag(records["features"]["columns"]),
    }
    digests = records["refit"]["digests"]
    model = registry.register(name, (refitted / "model").as_uri(), digests["model"], request.id, tags)
    heuristic = registry.register(
        name, (refitted / "baseline").as_uri(), digests["baseline"], request.id, {**tags, ROLE: "baseline"}
    )
    done = {"version": model.version, "baseline_version": heuristic.version, "uri": model.uri, "run_id": run_id}
    return steps.record(request, "register", done), card


def _metrics(evaluated: dict[str, Any]) -> dict[str, float]:
    return {
        f"{who}_{name}": value
        for who in ("challenger", "champion", "baseline")
        for name, value in (evaluated[who] or {}).items()
        if value is not None
    }
