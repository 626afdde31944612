"""`tidemill schema`: what an editor needs to complete and check the files."""

from __future__ import annotations

import click


@click.command()
@click.option("--kind", type=click.Choice(["ModelLoop", "Profile"]), default="ModelLoop", show_default=True)
def command(kind: str) -> None:
    """Print the JSON schema (draft 2020-12) of a ModelLoop or a Profile."""
    import json

    from tidemill.spec.json_schema import json_schema

    click.echo(json.dumps(json_schema(kind), indent=2))
