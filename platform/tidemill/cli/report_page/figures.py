"""The page's figures as inline SVG: readable in print and without colour (Okabe-Ito colours, and a line style each)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from . import lanes, svg, words
from .words import ordered_policies

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Results = Mapping[str, Any]

ROLLING_DAYS = 7
STYLES: dict[str, dict[str, Any]] = {
    "tidemill": {"color": "#0072B2", "linestyle": "-", "linewidth": 2.2, "zorder": 4},
    "never": {"color": "#6b6b6b", "linestyle": ":", "linewidth": 1.8, "zorder": 1},
    "weekly": {"color": "#E69F00", "linestyle": "--", "linewidth": 1.5, "zorder": 2},
    "weekly_rollout": {"color": "#009E73", "linestyle": "-.", "linewidth": 1.5, "zorder": 3},
}
OTHER = {"color": "#CC79A7", "linestyle": "-", "linewidth": 1.3, "zorder": 2}

Series = list[tuple[date, float]]


def day_of(text: Any) -> date:
    """`2013-03-01` and `2013-03-01T07:00:00+00:00` alike."""
    return datetime.fromisoformat(str(text)).date()


def rolling_loss(daily: list[Mapping[str, Any]]) -> Series:
    """(day, mean loss of the outcomes of the ROLLING_DAYS up to and with it): each outcome counts alike. Days without
    outcomes are skipped."""
    days = [(day_of(d["day"]), d["n"], d["loss"]) for d in daily if d.get("n") and d.get("loss") == d.get("loss")]
    series = []
    for last, _, _ in days:
        window = [(n, loss) for day, n, loss in days if timedelta(0) <= last - day < timedelta(days=ROLLING_DAYS)]
        series.append((last, sum(n * loss for n, loss in window) / sum(n for n, _ in window)))
    return series


def loss_over_time(results: Results) -> str:
    """Loss by policy, its gap to `never`, and the lanes of what happened; "" where no day has outcomes."""
    series = {name: rolling_loss(policy.get("daily") or []) for name, policy in ordered_policies(results)}
    series = {name: points for name, points in series.items() if points}
    if not series:
        return ""
    rows = lanes.rows(results)
    with svg.style():
        figure = svg.figure(11, 5.6 + 0.42 * len(rows))
        loss, gap, lane = figure.subplots(
            3, 1, sharex=True, gridspec_kw={"height_ratios": [2.3, 1.7, max(0.38 * len(rows), 0.4)], "hspace": 0.16}
        )
        _draw_loss(loss, results, series)
        _draw_gap(gap, series)
        lanes.draw(lane, rows)
        for reign in (results.get("champions") or [])[1:]:
            for axis in (loss, gap):
                axis.axvline(svg.at(day_of(reign["from"])), color="#9fcbe6", linewidth=1, zorder=0)
        ends = [day for points in series.values() for day, _ in points]
        svg.time_axis(lane, min(ends), max(ends))
        _legend(figure, loss)
        return svg.inline(figure, "loss", "Loss over time by policy, with what the loop did", _loss_in_words(results))


def calibrators(results: Results) -> str:
    """Intercept and slope by day, filled where they served; "" where none was ever fitted."""
    fitted = results.get("calibrators") or []
    if not fitted:
        return ""
    with svg.style():
        figure = svg.figure(11, 4.2)
        axes = figure.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.18})
        days = [day_of(c["day"]) for c in fitted]
        for axis, name, neutral in zip(axes, ("intercept", "slope"), (0.0, 1.0), strict=True):
            axis.axhline(neutral, color="#6b6b6b", linewidth=1, linestyle=":")
            for serving, face, label in ((True, "#0072B2", "served"), (False, "white", "waiting")):
                points = [(d, c[name]) for d, c in zip(days, fitted, strict=True) if bool(c.get("serving")) is serving]
                if points:
                    x, y = zip(*points, strict=True)
                    axis.plot(
                        [svg.at(day) for day in x],
                        y,
                        "o",
                        markersize=3.6,
                        color="#0072B2",
                        markerfacecolor=face,
                        label=label,
                    )
            _mark_versions(axis, fitted, days, labelled=name == "intercept")
            axis.set_ylabel(name)
        axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.1), ncols=2, frameon=False, borderaxespad=0)
        svg.time_axis(axes[1], min(days), max(days))
        served = sum(bool(c.get("serving")) for c in fitted)
        return svg.inline(
            figure, "calibrators", "Intercept and slope over time", f"{len(fitted)} fits, of which {served} served."
        )


def _draw_loss(axis: Axes, results: Results, series: dict[str, Series]) -> None:
    for name, points in series.items():
        title = results["policies"][name].get("title") or name
        x, y = zip(*points, strict=True)
        axis.plot([svg.at(day) for day in x], y, label=title, **STYLES.get(name, OTHER))
    axis.set_ylabel("log loss")


def _draw_gap(axis: Axes, series: dict[str, Series]) -> None:
    reference = dict(series.get("never", []))
    axis.axhline(0, **STYLES["never"])
    for name, points in series.items():
        shared = [(day, loss - reference[day]) for day, loss in points if day in reference]
        if name != "never" and shared:
            x, y = zip(*shared, strict=True)
            axis.plot([svg.at(day) for day in x], y, **STYLES.get(name, OTHER))
    axis.set_ylabel("gap to never" if reference else "gap: never was\nnot replayed")
    axis.yaxis.set_major_formatter(lambda value, _: words.number(round(value, 6), 2, signed=True))


def _mark_versions(axis: Axes, fitted: list[Mapping[str, Any]], days: list[date], labelled: bool) -> None:
    """A line where the champion changes, since intercept and slope belong to one version."""
    before = None
    for day, calibrator in zip(days, fitted, strict=True):
        version = calibrator.get("version")
        if version != before:
            axis.axvline(svg.at(day), color="#b9c0c8", linewidth=1, zorder=0)
            if labelled:
                axis.text(
                    svg.at(day), 1.02, f" v{version}", transform=axis.get_xaxis_transform(), fontsize=9, color="#57606a"
                )
            before = version


def _legend(figure: Figure, axis: Axes) -> None:
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=4, frameon=False, borderaxespad=0, handlelength=2.6)


def _loss_in_words(results: Results) -> str:
    parts = [
        f"{policy.get('title') or name}: log loss {policy.get('log_loss')}"
        for name, policy in ordered_policies(results)
    ]
    return "; ".join(parts) + ". The table above holds the same figures."
