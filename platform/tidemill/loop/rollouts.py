"""Takes a challenger through the steps, as the judge says, and crowns it or sends it away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidemill.decisions.rollout import ArmBlock, ArmCounts, PairedBlock, RolloutAction, RolloutFacts, advance
from tidemill.decisions.verdict import Reason, Verdict

from .blocks import running_rollout, sound_blocks
from .context import Context, Event, Write
from .model import Readiness
from .promise import promised


def crown(
    context: Context, version: str, turn: str, result: dict[str, Any] | Any, now: datetime, reason: Reason
) -> list[Write]:
    """The writes that make a version the champion. The one it replaces becomes the first fallback."""
    before = context.state.get(context.name, "champion", "current")
    document = {
        "version": version,
        "turn": turn,
        "since": now.isoformat(),
        "first_since": now.isoformat() if before is None else before["first_since"],
        "previous": None if before is None else before["version"],
        "baseline": result.get("register", {}).get("baseline_version"),
        **promised(result.get("evaluate", {})),
        "reason": str(reason),
    }
    # What was said of the old champion's performance is answered by replacing it.
    answered = [
        Write("signal", signal["id"], {**signal, "consumed_by": f"version {version}"})
        for signal in context.state.documents(context.name, "signal")
        if signal["consumed_by"] is None and signal["kind"] == Reason.PERFORMANCE
    ]
    reign = Write("reign", f"{version}@{now.isoformat()}", document)
    return [Write("champion", "current", document), reign, *answered]


def begin_rollout(context: Context, turn: dict[str, Any], result: Any, now: datetime) -> list[Write]:
    challenger = result["register"]["version"]
    document = {
        "id": turn["id"],
        "challenger": challenger,
        "champion": _champion(context)["version"],
        "turn": turn["id"],
        "status": "running",
        "reason": str(Reason.STARTED),
        "message": f"Version {challenger} waits to be ready.",
        "started_at": now.isoformat(),
        "steps": [],
        "approved": False,
        "result": {"register": dict(result["register"]), "evaluate": promised(result["evaluate"])},
    }
    return [Write("rollout", turn["id"], document)]


def advance_rollout(context: Context, now: datetime) -> None:
    rollout = running_rollout(context)
    if rollout is None:
        return
    version = context.ports.registry.get(context.name, rollout["challenger"])
    ready = context.ports.serving.prepare(version)
    if rollout.get("held"):
        message = f"Version {rollout['challenger']} stays where it is until somebody resumes the rollout."
        context.wait(Event(now, "rollout.held", Reason.PAUSED_BY_PERSON, message))
        return
    if not rollout["steps"] and ready.ready and context.spec.rollout.steps:
        rollout = _enter_step(context, rollout, 0, now, Reason.STARTED, "ready, the first step begins")
    verdict = advance(_facts(context, rollout, ready, now), context.spec.rollout)
    _act(context, rollout, verdict, now)


def _act(context: Context, rollout: dict[str, Any], verdict: Verdict[RolloutAction], now: datetime) -> None:
    if verdict.action is RolloutAction.HOLD:
        _note(context, rollout, verdict, "running")
        context.wait(Event(now, "rollout.holding", verdict.reason, verdict.message, dict(verdict.evidence)))
    elif verdict.action is RolloutAction.PAUSE:
        if rollout["status"] != "paused" or rollout["reason"] != verdict.reason:
            _record(context, rollout, verdict, "paused", "rollout.paused", now)
        context.wait(Event(now, "rollout.paused", verdict.reason, verdict.message, dict(verdict.evidence)))
    elif verdict.action is RolloutAction.ADVANCE:
        _enter_step(
            context, rollout, len(rollout["steps"]), now, verdict.reason, verdict.message, dict(verdict.evidence)
        )
    elif verdict.action is RolloutAction.PROMOTE:
        promote(context, rollout, verdict.reason, verdict.message, dict(verdict.evidence), now)
    else:
        _record(context, rollout, verdict, "aborted", "rollout.aborted", now)


def promote(
    context: Context, rollout: dict[str, Any], reason: Reason, message: str, evidence: dict[str, Any], now: datetime
) -> None:
    done = {**rollout, "status": "promoted", "ended_at": now.isoformat(), "reason": str(reason), "message": message,
            "evidence": evidence}  # fmt: skip
    writes = [
        Write("rollout", rollout["id"], done),
        *crown(context, rollout["challenger"], rollout["turn"], rollout["result"], now, reason),
    ]
    told = {"version": rollout["challenger"], "previous": rollout["champion"], **evidence}
    event = Event(now, "champion.promoted", reason, f"Version {rollout['challenger']}: {message}", told)
    context.record(event, writes, f"rollout/{rollout['id']}/ended")


def abort(context: Context, rollout: dict[str, Any], reason: Reason, message: str, now: datetime) -> None:
    _record(context, rollout, Verdict(RolloutAction.ABORT, reason, message, {}), "aborted", "rollout.aborted", now)


def _record(
    context: Context, rollout: dict[str, Any], verdict: Verdict[RolloutAction], status: str, name: str, now: datetime
) -> None:
    ended = {"ended_at": now.isoformat()} if status == "aborted" else {}
    document = {**rollout, "status": status, "reason": str(verdict.reason), "message": verdict.message,
                "evidence": dict(verdict.evidence), **ended}  # fmt: skip
    evidence = {"version": rollout["challenger"], **verdict.evidence}
    event = Event(now, name, verdict.reason, f"Version {rollout['challenger']}: {verdict.message}", evidence)
    mark = "ended" if ended else f"{status}/{verdict.reason}"
    context.record(event, [Write("rollout", rollout["id"], document)], f"rollout/{rollout['id']}/{mark}")


def _note(context: Context, rollout: dict[str, Any], verdict: Verdict[RolloutAction], status: str) -> None:
    document = {**rollout, "status": status, "reason": str(verdict.reason), "message": verdict.message,
                "evidence": dict(verdict.evidence)}  # fmt: skip
    if document != rollout:
        context.state.put(context.name, "rollout", rollout["id"], document)


def _enter_step(
    context: Context,
    rollout: dict[str, Any],
    index: int,
    now: datetime,
    reason: Reason,
    message: str,
    evidence: dict[str, Any] | None = None,
) -> dict[str, Any]:
    step = context.spec.rollout.steps[index]
    share = {"shadow": step.shadow} if step.shadow is not None else {"canary": step.canary}
    entered = {"index": index, "started_at": now.isoformat(), **share}
    document = {**rollout, "status": "running", "steps": [*rollout["steps"], entered], "reason": str(reason)}
    what = f"shadow {step.shadow:.0%}" if step.shadow is not None else f"canary {step.canary:.0%}"
    event = Event(now, "rollout.advanced", reason, f"Version {rollout['challenger']} enters {what}: {message}",
                  {"version": rollout["challenger"], "step": index, **(evidence or {})})  # fmt: skip
    context.record(event, [Write("rollout", rollout["id"], document)], f"rollout/{rollout['id']}/step/{index}")
    return document


def _facts(context: Context, rollout: dict[str, Any], ready: Readiness, now: datetime) -> RolloutFacts:
    step = rollout["steps"][-1] if rollout["steps"] else {"index": 0, "started_at": rollout["started_at"]}
    challenger = rollout["challenger"]
    blocks = [block for block in sound_blocks(context) if block["closed_at"] > rollout["started_at"]]
    paired = tuple(
        PairedBlock(block["id"], pair["n"], pair["differences"])
        for block in blocks
        if (pair := block["pairs"].get(challenger)) and pair["champion"] == rollout["champion"]
    )
    arms = tuple(
        ArmBlock(block["id"], arm["weight"], _counts(arm["champion"]), _counts(arm["challenger"]))
        for block in blocks
        if (arm := block["arms"].get(challenger))
    )
    return RolloutFacts(
        now=now,
        started_at=datetime.fromisoformat(rollout["started_at"]),
        step_started_at=datetime.fromisoformat(step["started_at"]),
        step=step["index"],
        ready=ready.ready,
        ready_message=ready.message,
        artifact_changed=ready.reason is Reason.ARTIFACT_CHANGED,
        paired=paired,
        arms=arms,
        step_outcomes=sum(_outcomes(block, challenger, step) for block in blocks),
        approved=rollout["approved"],
    )


def _outcomes(block: dict[str, Any], challenger: str, step: dict[str, Any]) -> int:
    if step.get("canary") is not None:
        arm = block["arms"].get(challenger)
        return int(arm["outcomes"]) if arm and arm["step"] == step["index"] else 0
    return int(block["versions"].get(challenger, {}).get("n", 0))


def _counts(counts: dict[str, int]) -> ArmCounts:
    return ArmCounts(counts["requests"], counts["errors"], counts["slow"], counts["new_keys"])


def _champion(context: Context) -> dict[str, Any]:
    current = context.state.get(context.name, "champion", "current")
    assert current is not None, "a rollout begins only where there is a champion"
    return current
