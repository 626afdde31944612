"""From results to the page: what is said (`words`), what is drawn (`figures`), and the template that holds both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import words

Results = Mapping[str, Any]

_HERE = Path(__file__).parent


def render(results: Results) -> str:
    """The report as HTML that loads nothing from anywhere: CSS and figures are inline, and there is no script.

    `results` is what the replay writes to results.json. A section without anything to show says so; a policy that was
    not replayed is left out of every comparison. Raises ImportError with an install hint without jinja2, matplotlib.
    """
    try:
        from jinja2 import Environment, FileSystemLoader
        from markupsafe import Markup

        from . import figures
    except ImportError as error:
        raise ImportError(f"The report needs {error.name}: pip install 'tidemill[report]'.") from error

    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = words.number
    return environment.get_template("page.html.j2").render(
        css=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        title=f"{results.get('loop', 'A loop')}: {words.period(results)}",
        loop=results.get("loop", ""),
        period=words.period(results),
        generated_at=str(results.get("generated_at", ""))[:16].replace("T", " "),
        headline=words.headline(results),
        cards=words.cards(results),
        policies=words.policies(results),
        loss_figure=Markup(figures.loss_over_time(results)),
        calibrator_figure=Markup(figures.calibrators(results)),
        faults=results.get("faults") or [],
        clean_days=words.clean_days(results),
        rollouts=words.rollouts(results),
        events=words.events(results),
        routine=words.routine(results),
        provenance=words.provenance(results),
        loop_file=results.get("loop_file") or "",
    )
