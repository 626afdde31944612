"""`--every`, for the verbs that tick again and again."""

from __future__ import annotations

import click


def seconds(every: str) -> float:
    """The pause between two ticks. Raises BadParameter for what is no duration, and for none at all: a loop that rests
    would be ticked without end."""
    from tidemill.spec.quantities import SOME_TIME, parse_duration

    try:
        pause = parse_duration(every)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--every") from error
    if not SOME_TIME.holds(pause):
        raise click.BadParameter(f"{every!r}: {SOME_TIME.message}", param_hint="--every")
    return pause.total_seconds()
