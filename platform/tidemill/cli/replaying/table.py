"""The table that a replay ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def render(results: dict[str, Any], out: Path) -> str:
    """Policies side by side, then what became of faults and saboteurs, then where to look."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{results['loop']}, {results['period']['start']} to {results['period']['end']}")
    table.add_column("policy")
    for heading in ("log loss", "trainings", "bad challengers promoted", "corrupted days trained on"):
        table.add_column(heading, justify="right")
    for policy in results["policies"].values():
        table.add_row(
            policy["title"],
            f"{policy['log_loss']:.4f}",
            str(policy["trainings"]),
            f"{policy['sabotaged_promoted']} of {policy['sabotaged']}",
            str(policy["corrupted_days_trained_on"]),
        )
    console = Console(file=StringIO(), width=110)
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    days, clean, sabotaged = results["corrupted_days"], results["clean_days"], results["sabotaged"]
    return text + "\n".join(
        [
            f"Corrupted days: {days['caught']} of {days['injected']} quarantined, {days['trained_on']} trained on.",
            f"Clean days held back: {clean['held_back']} of {clean['total']}.",
            f"Sabotaged challengers: {sabotaged['promoted']} of {sabotaged['injected']} promoted.",
            f"Took {results['timings']['total_seconds']:.0f} s. "
            f"Figures: {out / 'results.json'}  Report: {out / 'report.html'}",
        ]
    )
