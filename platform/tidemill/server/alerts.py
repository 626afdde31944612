"""Alertmanager's webhook: what fires for a loop becomes a line of its history, or where the alert says so a turn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.decisions.verdict import Reason
from tidemill.loop.asking import ask
from tidemill.loop.ports import Entry, State

from .answers import Refused

LONGEST = 1000  # characters of what an alert says


@dataclass(frozen=True)
class Alert:
    """A firing alert that names a loop. `id` is the same each time Alertmanager repeats it."""

    id: str
    loop: str
    name: str
    said: str
    retrain: bool


def parse_alerts(document: dict[str, Any]) -> list[Alert]:
    """The firing ones that name a loop (label `loop` or `modelloop`); others are none of our business."""
    alerts = document.get("alerts")
    if not isinstance(alerts, list) or not all(isinstance(alert, dict) for alert in alerts):
        raise Refused(400, 'The body is not a webhook of Alertmanager: "alerts" must be a list of alerts.')
    return [found for alert in alerts if (found := _alert(alert)) is not None]


def _alert(alert: dict[str, Any]) -> Alert | None:
    labels, notes = alert.get("labels") or {}, alert.get("annotations") or {}
    if not isinstance(labels, dict) or not isinstance(notes, dict):
        raise Refused(400, "An alert's labels and annotations must be mappings.")
    loop = labels.get("modelloop") or labels.get("loop")
    if alert.get("status") != "firing" or not loop:
        return None
    fingerprint, began = alert.get("fingerprint"), alert.get("startsAt")
    if not fingerprint or not began:
        raise Refused(
            400, f"The alert for loop {loop} has no fingerprint or no startsAt, which identify it. Send both."
        )
    name = str(labels.get("alertname") or "an alert")
    said = str(notes.get("summary") or notes.get("description") or name)[:LONGEST]
    action = labels.get("tidemill_action") or notes.get("tidemill_action")
    return Alert(f"{fingerprint}@{began}", str(loop), name[:200], said, action == "retrain")


def act(state: State, alert: Alert, received: str) -> None:
    """Idempotent: the ids are those of the alert and of the moment when it was first received."""
    at = datetime.fromisoformat(received)
    if alert.retrain:
        ask(state, alert.loop, "train", "alertmanager", f"{alert.name}: {alert.said}", at)
        return
    document = {"reason": str(Reason.ALERT), "message": f"{alert.name}: {alert.said}", "evidence": {"alert": alert.id}}
    state.transact(alert.loop, [], [Entry(f"alert/{alert.id}"[:200], at, "alert.received", document)])
