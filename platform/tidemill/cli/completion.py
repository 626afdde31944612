"""`tidemill completion`: the script that lets a shell complete verbs and options."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell. For bash: eval "$(tidemill completion bash)"."""
    from click.shell_completion import get_completion_class

    from .main import cli

    script = get_completion_class(shell)
    assert script is not None, f"click knows {shell}"
    click.echo(script(cli, {}, "tidemill", "_TIDEMILL_COMPLETE").source())
