"""Starts turns. A turn is recorded before it is submitted, so it is never lost and never doubled."""

from __future__ import annotations

from datetime import datetime

from tidemill.decisions.start_turn import StartAction, TurnFacts, start
from tidemill.decisions.verdict import Reason

from . import standing
from .champions import current_champion
from .code import code_digest
from .context import Context, Event
from .documents.partition import PartitionDocument
from .documents.signal import SignalDocument
from .documents.store import to_write
from .documents.turn import TurnDocument
from .errors import TidemillError
from .ids import digest_of
from .images import code_in, doubt
from .model import ChampionRef, Partition, TurnRequest
from .repairs import serving_calibrator
from .turn.files import join, write_bytes
from .turn.request import write_request
from .turn.snapshot import snapshot_of
from .versions import registered


def running_turn(context: Context) -> TurnDocument | None:
    return next((turn for turn in reversed(context.documents(TurnDocument)) if turn.running), None)


def pending_signals(context: Context) -> list[SignalDocument]:
    return [signal for signal in context.documents(SignalDocument) if signal.pending]


def start_turn(context: Context, now: datetime) -> None:
    signals = pending_signals(context)
    verdict = start(
        _facts(context, signals, now), context.spec.triggers.limits, context.spec.evaluation.accept.min_rows
    )
    if verdict.action is not StartAction.START:
        context.wait(Event(now, "turn.waiting", verdict.reason, verdict.message, dict(verdict.evidence)))
        return
    request = _request(context, signals, now)
    if context.document(TurnDocument, request.id) is not None:
        message = f"Turn {request.id} ran before on the same spec, code and data, and would end alike. Change one."
        message += doubt(context.image)
        context.wait(Event(now, "turn.waiting", Reason.NO_SIGNAL, message))
        return
    write_request(request)
    document = TurnDocument(
        id=request.id,
        number=len(context.documents(TurnDocument)) + 1,
        status="running",
        reason=str(verdict.reason),
        message=verdict.message,
        signals=request.signals,
        snapshot=request.snapshot,
        partitions=tuple(partition.id for partition in request.partitions),
        rows=admitted_rows(context),
        started_at=now,
        work_uri=request.work_uri,
        attempts=1,
        champion=None if request.champion is None else request.champion.version,
        made_of=_made_of(context),
        image=context.image,
    )
    consumed = [to_write(signal.model_copy(update={"consumed_by": request.id}), signal.id) for signal in signals]
    evidence = {"turn": request.id, "signals": list(request.signals), "partitions": len(request.partitions)}
    event = Event(now, "turn.started", verdict.reason, verdict.message, evidence)
    context.record(event, [to_write(document, request.id), *consumed], f"turn/{request.id}/started")
    submitted(context, request)


def submitted(context: Context, request: TurnRequest) -> bool:
    """False where it was refused. The tick goes on with everything else, and tells of it at its end."""
    try:
        context.ports.pipelines.submit(request)
    except TidemillError as error:
        context.refused = error
        return False
    return True


def _facts(context: Context, signals: list[SignalDocument], now: datetime) -> TurnFacts:
    turns = context.documents(TurnDocument)
    since = turns[-1].started_at if turns else None
    champion_exists = current_champion(context) is not None
    # Most ticks have nothing to start; they need not count a year of labels and rows to say so.
    idle = champion_exists and not signals
    partitions = [] if idle else context.documents(PartitionDocument)
    return TurnFacts(
        now=now,
        signals=tuple(signal.signal for signal in signals),
        champion_exists=champion_exists,
        turn_running=any(turn.running for turn in turns),
        rollout_running=standing.running_rollout(context.state, context.name) is not None,
        turns_started=tuple(turn.started_at for turn in turns),
        new_outcomes=0 if idle else context.ports.outcomes.count(now, since=since),
        admitted_rows=sum(partition.rows for partition in partitions if partition.admitted),
        last_end=_bad_end(turns[-1]) if turns else "",
        edited=not champion_exists and _is_edited(context, turns),
        empty_place="" if idle or partitions else context.ports.source.place,
    )


def _is_edited(context: Context, turns: list[TurnDocument]) -> bool:
    return bool(turns) and turns[-1].made_of not in (None, _made_of(context))


def _bad_end(turn: TurnDocument) -> str:
    said = {"failed": "failed", "rejected": "was rejected"}.get(turn.status)
    return "" if said is None else f"{said}: {turn.message}"


def admitted(context: Context) -> list[PartitionDocument]:
    partitions = context.documents(PartitionDocument)
    return sorted((p for p in partitions if p.admitted), key=lambda p: p.id)


def admitted_rows(context: Context) -> int:
    return sum(partition.rows for partition in admitted(context))


def _request(context: Context, signals: list[SignalDocument], now: datetime) -> TurnRequest:
    partitions = tuple(_partition(document) for document in admitted(context))
    labels = context.ports.outcomes.known(now)[["key", "label"]].sort_values("key", ignore_index=True)
    snapshot = snapshot_of(partitions, labels)
    spec = context.loop.model_dump(by_alias=True, mode="json")
    code = _code(context)
    names = tuple(signal.id for signal in signals) or (str(Reason.BOOTSTRAP),)
    id = digest_of([context.name, spec, code, snapshot, names])
    work = context.work_uri(id)
    labels_uri = join(work, "labels.parquet")
    write_bytes(labels_uri, labels.to_parquet(index=False))
    return TurnRequest(
        id=id,
        loop=context.name,
        spec=spec,
        project=str(context.project),
        as_of=now,
        signals=names,
        partitions=partitions,
        labels_uri=labels_uri,
        snapshot=snapshot,
        champion=_champion(context),
        tracking_uri=context.tracking_uri,
        work_uri=work,
        root=context.root,
        image=context.image,
        prefix=context.prefix,
    )


def _code(context: Context) -> str:
    model = context.spec.model
    return code_in(context.image) or code_digest(context.project, (model.trainer, model.baseline, model.features))


def _made_of(context: Context) -> str:
    """Of what people write: the spec and the code."""
    return digest_of([context.loop.model_dump(by_alias=True, mode="json"), _code(context)])


def _partition(document: PartitionDocument) -> Partition:
    return Partition(document.id, document.start, document.end, document.digest, document.uri)


def _champion(context: Context) -> ChampionRef | None:
    current = current_champion(context)
    if current is None:
        return None
    version = registered(context, current.version)
    until = version.tags.get("tidemill.trained_until")
    return ChampionRef(
        version.version,
        version.uri,
        version.digest,
        serving_calibrator(context, version.version),
        None if until is None else datetime.fromisoformat(until),
    )
