"""The lanes below the loss: what was broken, held back, signalled, rolled out; who served; whether it was repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .svg import at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Results = Mapping[str, Any]

GOOD, BAD, NEUTRAL, OWN = "#009E73", "#D55E00", "#8c959f", "#0072B2"
OWN_LIGHT, OWN_LIGHTER = "#9fcbe6", "#d6e8f3"
DAYS_OF_A_LABEL = 10  # of about 300 on the axis: what "v12" needs
SIGNALS = {"schedule": ("s", "schedule"), "newdata": ("^", "new data"), "performance": ("o", "performance"),
           "drift": ("D", "drift"), "manual": ("P", "manual"), "bootstrap": ("*", "bootstrap")}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """Something on a day."""

    day: date
    marker: str
    color: str
    legend: str
    filled: bool = True


@dataclass(frozen=True)
class Bar:
    """Something that lasted, `last` included."""

    first: date
    last: date
    color: str
    text: str = ""
    hatch: str = ""


@dataclass(frozen=True)
class Row:
    name: str
    marks: list[Mark] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)


def rows(results: Results) -> list[Row]:
    """The lanes from top to bottom. An empty one stays: that nothing was held back is worth seeing."""
    return [
        Row("corrupted days", [_fault(fault) for fault in results.get("faults") or []]),
        Row("held back", [_held(results, entry) for entry in results.get("quarantines") or []]),
        Row("signals", [_signal(entry) for entry in results.get("signals") or []]),
        Row("rollouts", bars=[_rollout(results, entry) for entry in results.get("rollouts") or []]),
        Row("champion", bars=_champions(results)),
        Row("calibrator serves", bars=_serving(results)),
    ]


def draw(axis: Axes, lanes: list[Row]) -> None:
    for y, row in enumerate(lanes):
        for bar in row.bars:
            _draw_bar(axis, y, bar)
        for mark in row.marks:
            face = mark.color if mark.filled else "white"
            axis.plot(at(mark.day), y, mark.marker, color=mark.color, markerfacecolor=face, markersize=7, zorder=5)
    axis.set_ylim(len(lanes) - 0.5, -0.5)
    axis.set_yticks(range(len(lanes)), [row.name for row in lanes])
    axis.tick_params(axis="y", length=0, labelcolor="#1b1f24")
    axis.spines["left"].set_visible(False)
    _legend(axis, lanes)


def _draw_bar(axis: Axes, y: int, bar: Bar) -> None:
    left, days = at(bar.first), (bar.last - bar.first).days + 1
    axis.barh(y, days, left=left, height=0.56, color=bar.color, edgecolor="white", linewidth=0.8, hatch=bar.hatch)
    if bar.text and days >= DAYS_OF_A_LABEL:
        axis.annotate(bar.text, (left, y), (3, 0), textcoords="offset points", va="center", fontsize=9)


def _legend(axis: Axes, lanes: list[Row]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: dict[str, Any] = {}
    for mark in (mark for row in lanes for mark in row.marks):
        face = mark.color if mark.filled else "white"
        handles[mark.legend] = Line2D([], [], linestyle="", marker=mark.marker, color=mark.color, markerfacecolor=face)
    for bar in (bar for row in lanes if row.name == "rollouts" for bar in row.bars):
        handles[_verdict(bar.color)] = Patch(facecolor=bar.color, hatch=bar.hatch, edgecolor="white")
    if handles:
        axis.legend(
            handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(0, -0.16), ncols=5, frameon=False,
            borderaxespad=0, fontsize=9, handletextpad=0.4,
        )  # fmt: skip


def _day(text: Any) -> date:
    return datetime.fromisoformat(str(text)).date()


def _fault(fault: Mapping[str, Any]) -> Mark:
    caught = bool(fault.get("caught"))
    return Mark(
        _day(fault["day"]),
        "v" if caught else "X",
        GOOD if caught else BAD,
        "corrupted, caught" if caught else "corrupted, missed",
    )


def _held(results: Results, entry: Mapping[str, Any]) -> Mark:
    corrupted = {fault["day"] for fault in results.get("faults") or []}
    if entry["day"] in corrupted:
        return Mark(_day(entry["day"]), "s", GOOD, "held back, rightly")
    return Mark(_day(entry["day"]), "s", BAD, "held back, but clean", filled=False)


def _signal(entry: Mapping[str, Any]) -> Mark:
    kind = "".join(letter for letter in str(entry.get("kind", "")).lower() if letter.isalpha())
    marker, text = SIGNALS.get(kind, ("h", kind or "signal"))
    return Mark(_day(entry["day"]), marker, OWN, f"signal: {text}")


def _rollout(results: Results, entry: Mapping[str, Any]) -> Bar:
    color = verdict_color(str(entry.get("verdict") or ""))
    last = _day(entry["ended"]) if entry.get("ended") else _end(results)
    return Bar(_day(entry["started"]), last, color, hatch="///" if color == BAD else "")


def verdict_color(verdict: str) -> str:
    """Green for a promotion, orange for an abort, grey for anything undecided."""
    text = verdict.lower()
    if any(word in text for word in ("abort", "worse", "roll", "mismatch", "changed")):
        return BAD
    return GOOD if any(word in text for word in ("promot", "noninferior")) else NEUTRAL


def _verdict(color: str) -> str:
    return {GOOD: "rollout: promoted", BAD: "rollout: aborted"}.get(color, "rollout: undecided")


def _champions(results: Results) -> list[Bar]:
    reigns = results.get("champions") or []
    return [
        Bar(
            max(_day(reign["from"]), _start(results)),
            _day(reign["to"]) - timedelta(days=1) if reign.get("to") else _end(results),
            OWN_LIGHT if n % 2 else OWN_LIGHTER,
            f"v{reign['version']}",
        )
        for n, reign in enumerate(reigns)
    ]


def _serving(results: Results) -> list[Bar]:
    """Days in a row on which a calibrator served, as one bar. One serves until the next is fitted: on a night without
    new outcomes none is."""
    bars: list[Bar] = []
    fits = sorted((_day(c["day"]), bool(c.get("serving"))) for c in results.get("calibrators") or [])
    ends = [day - timedelta(days=1) for day, _ in fits[1:]] + [_end(results)]
    for (first, serving), last in zip(fits, ends, strict=True):
        if serving and bars and first - bars[-1].last <= timedelta(days=1):
            bars[-1] = Bar(bars[-1].first, max(first, last), OWN)
        elif serving:
            bars.append(Bar(first, max(first, last), OWN))
    return bars


def _start(results: Results) -> date:
    return _day(results["period"]["start"])


def _end(results: Results) -> date:
    return _day(results["period"]["end"])
