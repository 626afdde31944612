"""Matplotlib figures as SVG that can stand inside a page: quiet style, unique ids, a title and a description."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from datetime import date, timedelta
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RC: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
    "svg.hashsalt": "tidemill",  # the same figure gives the same bytes
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8c959f",
    "axes.labelcolor": "#1b1f24",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e8ec",
    "grid.linewidth": 0.8,
    "xtick.color": "#57606a",
    "ytick.color": "#57606a",
    "text.color": "#1b1f24",
}


def style() -> AbstractContextManager[None]:
    import matplotlib

    return matplotlib.rc_context(_RC)  # type: ignore[arg-type]  # its stubs list every key


def figure(width: float, height: float) -> Figure:
    """In inches; drawn without pyplot, so that no figure is left behind in a process that goes on."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def at(day: date) -> float:
    """Where a day is on a time axis."""
    from matplotlib.dates import date2num

    return float(date2num(day))  # type: ignore[no-untyped-call]


def time_axis(axis: Axes, first: date, last: date) -> None:
    from matplotlib import dates

    margin = max(timedelta(days=1), (last - first) * 0.01)
    axis.set_xlim(at(first - margin), at(last + margin))
    locator = dates.AutoDateLocator(minticks=3, maxticks=12)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def inline(figure: Figure, name: str, title: str, description: str) -> str:
    """The figure as one <svg> element whose ids start with `name`: two of them may share a page."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]  # the XML declaration and DOCTYPE belong to a file, not to a page
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{name}-\2"', text)
    labels = f'role="img" aria-labelledby="{name}-title {name}-desc"'
    head = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    return re.sub(r"<svg ([^>]*)>", lambda match: f"<svg {labels} {match.group(1)}>{head}", text, count=1)
