"""`tidemill status`: where a loop stands."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import click

from .output import emit, output_option
from .project import Project, project_argument

_HERE = "`tidemill run --once` trains the first one"
_THERE = "`tidemill train` asks for the first one now"


@click.command()
@project_argument
@output_option
def command(project: Project, output: str) -> None:
    """Show who serves, what is tried, what waits, and how the model does."""
    from .wiring import open_context, open_server

    server = open_server(project)
    if server is not None:
        emit(server.status(), output, partial(_render, first=_THERE))
        return
    from tidemill.adapters.log.damaged import damaged_in
    from tidemill.adapters.system_clock import SystemClock
    from tidemill.loop.status import status

    lines, parts = damaged_in(project.home / "predictions")
    aside = {"lines": lines, "parts": parts, "folder": str(project.home / "predictions")}
    emit({**status(open_context(project), SystemClock().now()), "damaged": aside}, output, _render)


def _render(data: dict[str, Any], first: str = _HERE) -> str:
    lines = [("champion", _champion(data, first)), *_tried(data), *_data(data), *_ahead(data)]
    return "\n".join([str(data["loop"]), *(f"  {name:<11} {text}" for name, text in lines)])


def _champion(data: dict[str, Any], first: str) -> str:
    champion = data["champion"]
    if champion is None:
        return "none yet" if _is_begun(data) else f"none yet; {first}"
    corrected = champion["calibrator"]
    repair = f", corrected ({corrected['intercept']:+.3f}, slope {corrected['slope']:.3f})" if corrected else ""
    return f"version {champion['version']} since {champion['since'][:16]} ({champion['reason']}){repair}"


def _is_begun(data: dict[str, Any]) -> bool:
    """Once anything happened, what the loop waits for is in what the last tick said, and no advice of ours."""
    seen = data["partitions"]["admitted"] + data["partitions"]["quarantined"]
    return bool(data["last_tick"] or data["turn"] or seen or data.get("requests"))


def _tried(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    rollout, turn, failure = data["rollout"], data["turn"], data.get("last_failure")
    if rollout is not None:
        where = f"version {rollout['challenger']}, {rollout['step']}, {rollout['status']}"
        yield "rollout", f"{where}: {rollout['message']}"
    if turn is not None:
        yield "last turn", _turn(turn)
    if failure is not None and failure["id"] != turn["id"]:
        yield "before it", _turn(failure)


def _turn(turn: dict[str, Any]) -> str:
    return f"{turn['id']} {turn['status']} ({turn['reason']}): {turn['message']}"


def _data(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    partitions, outcomes, held = data["partitions"], data["outcomes"], data.get("last_quarantined")
    yield (
        "data",
        f"{partitions['admitted']} partitions admitted ({partitions['rows']:,} rows), "
        f"{partitions['quarantined']} quarantined",
    )
    if held is not None and not any(i["until"] == held["id"] for i in data.get("incidents", [])):
        yield "held back", f"the latest is {held['id']} ({held['reason']}): {held['message']}"
    aside = data.get("damaged")
    if aside is not None and aside["lines"] + aside["parts"]:
        what = f"{aside['lines']} lines and {aside['parts']} parts of the prediction log could not be read"
        yield "damaged", f"{what}; they are set aside below {aside['folder']} as *.damaged, and all others are used"
    for incident in data.get("incidents", []):
        yield "change", incident["question"]
    yield "outcomes", f"{outcomes['known']:,} labels, {outcomes['joined']:,} joined to predictions in closed days"


def _ahead(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if data["last_tick"]:
        yield "last tick", data["last_tick"][:16]
    if data["signals"]:
        yield "signals", "; ".join(signal["message"] for signal in data["signals"])
    for request in data.get("requests", []):
        what = _asked(request)
        yield "asked", f"{what}, by {request['by']} at {request['at'][:16]}: the next tick acts on it"
    for failure in data.get("failures", []):
        yield "FAILS", f"{failure['step']} since {failure['since'][:16]}: {failure['message']} It is tried again."
    for waiting in data.get("waiting", []):
        if not _is_said(waiting, data):
            yield "waits", waiting["message"]
    if data["last_days"]:
        yield (
            "last days",
            ", ".join(f"{day['day']} loss {day['loss']:.4f} (n {day['n']})" for day in data["last_days"]),
        )


def _asked(request: dict[str, Any]) -> str:
    since = "--since " if request.get("since") else ""
    return f"admit {since}{request['target']}" if request["what"] == "admit" else str(request["what"])


def _is_said(waiting: dict[str, Any], data: dict[str, Any]) -> bool:
    """In the line of the rollout, or of the champion that there is none of."""
    if waiting["event"] == "serving.waiting":
        return data["champion"] is None
    return bool(waiting["event"].startswith("rollout."))
