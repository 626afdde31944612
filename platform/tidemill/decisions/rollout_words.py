"""The sentences of a rollout's verdicts. A person decides on them, so that each holds the figures behind it."""

from __future__ import annotations

from datetime import timedelta

from .judge import LOSSES, MetricEvidence, harm_threshold, mirror_threshold
from .operation import TRIP_KEYS, OperationalBlock
from .rollout_case import Case, RolloutAction
from .units import left_out, one_and_many, units


def artifact_changed(case: Case) -> str:
    return f"its files are not the registered ones ({case.facts.ready_message}); train again, do not repair them"


def failing(before: OperationalBlock, block: OperationalBlock) -> str:
    now, then = block.tried, before.tried
    return (
        f"it failed {now.failed:.0f} of {now.keys:.0f} keys in the minutes from {block.id}; of the champion's "
        f"{block.beside.keys:.0f} failed {block.beside.failed:.0f}. Of the {then.keys:.0f} keys in the minutes from "
        f"{before.id}, the last before with {TRIP_KEYS} or more, it failed {then.failed:.0f}"
    )


def fails_unseen(case: Case) -> str:
    mine = sum(block.mirrored.challenger_failed for block in case.facts.operation)
    other = sum(block.mirrored.champion_failed for block in case.facts.operation)
    return (
        f"it failed {mine} requests that the champion answered, the champion {other} that it answered "
        f"(evidence {case.e_mirror:.3g}, {mirror_threshold(case.rollout.judge):.3g} aborts)"
    )


def worse(m: MetricEvidence, case: Case) -> str:
    return (
        f"{m.metric} is worse than the champion's, by {_signed(m.difference)} over {m.n} "
        f"{_unit(m, case)} (evidence {m.e_harm:.3g}, {harm_threshold(case.rollout.judge):.3g} aborts){_left_out(case)}"
    )


def sample_ratio(case: Case) -> str:
    split = [part for block in case.facts.operation for part in block.split]
    challenger = sum(part.challenger for part in split)
    total = challenger + sum(part.champion for part in split)
    weights = ", ".join(f"{weight:.0%}" for weight in sorted({part.weight for part in split}))
    return (
        f"it answered {challenger} of {total} keys, which does not fit its weight ({weights}): "
        f"look at the data plane's routing before the next rollout (evidence {case.e_split:.3g})"
    )


def not_ready(case: Case) -> str:
    message = f"not ready: {case.facts.ready_message or 'the data plane has not loaded it yet'}"
    return f"{message}; and the rollout's time is over" if case.expired else message


def too_few_pairs(coverage: float, least: float) -> str:
    return (
        f"both versions scored {coverage:.0%} of the requests that both were to score, {least:.0%} are "
        "needed: the mirror is overloaded; give the challenger more replicas, or mirror a smaller share"
    )


def sufficient(case: Case) -> str:
    shown = ", ".join(f"{m.metric} {_signed(m.difference)} (margin {m.margin:g})" for m in case.needed)
    seen = _blocks(case, max((m.blocks for m in case.metrics if m.metric in LOSSES), default=0))
    return f"no worse than the champion beyond its margins on {seen}: {shown or 'no metric'}{_warning(case)}"


def expired(case: Case, why: str) -> str:
    return f"{_in_words(case.rollout.max_duration)} were not enough to decide: {why}"


def asked(case: Case) -> str:
    decide = "decide with `tidemill approve` or `tidemill abort`"
    if case.facts.approved_at is None:
        return decide
    return f"an approval from before that counts for evidence that suffices alone: {decide}"


def once_resumed(action: RolloutAction) -> str:
    """What a rollout that a person paused does at once when it goes on; nothing where it would only wait."""
    done = {
        RolloutAction.ADVANCE: "its next step begins",
        RolloutAction.PROMOTE: "it is promoted",
        RolloutAction.ABORT: "it is aborted",
    }
    return f"; once it is resumed, {done[action]}" if action in done else ""


def progress(case: Case) -> str:
    """How far each condition of the present step is."""
    wanted = 1 / case.rollout.judge.alpha
    parts = [f"{case.facts.step_outcomes} of {case.step.min_outcomes} outcomes"]
    for m in case.needed:
        state = (
            "stands" if m.non_inferior(case.rollout.judge.alpha) else f"evidence {m.e_non_inferior:.2g} of {wanted:g}"
        )
        seen = _blocks(case, m.blocks) if m.metric in LOSSES else f"{m.n} keys"
        if m.metric in LOSSES and m.in_order < m.blocks:
            seen += f", of which {m.in_order} without a gap before them"
        parts.append(f"{m.metric} {state} after {seen} ({_signed(m.difference)}, margin {m.margin:g})")
    return "; ".join(parts) + _left_out(case)


def blocks(number: int, hours: int) -> str:
    """Such as "3 days" or "1 block of 4 h"."""
    if hours == 24:
        return "1 day" if number == 1 else f"{number} days"
    return f"{number} block{'' if number == 1 else 's'} of {hours} h"


def _in_words(duration: timedelta) -> str:
    """In the largest unit that divides it, hours rather than one day."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        number, rest = divmod(duration.total_seconds(), size)
        if number > 1 and not rest:
            return f"{number:.0f} {unit}"
    return f"{duration.total_seconds():g} seconds"


def _signed(difference: float | None) -> str:
    return "no figure" if difference is None else f"{difference:+.4f}"


def _blocks(case: Case, number: int) -> str:
    return blocks(number, case.facts.block_hours) if case.facts.unit is None else units(number, case.facts.unit)


def _left_out(case: Case) -> str:
    return left_out(case.facts.unit, case.facts.paired, case.facts.repeated)


def _unit(m: MetricEvidence, case: Case) -> str:
    if m.metric not in LOSSES:
        return "keys"
    seen = _blocks(case, m.blocks)
    return f"requests of {seen}" if case.facts.unit is None else f"requests ({seen})"


def _warning(case: Case) -> str:
    """What no test can see is said where one decides."""
    losses = [m for m in case.needed if m.metric in LOSSES and m.worst is not None]
    if not losses:
        return _left_out(case)
    m = min(losses, key=lambda each: each.blocks)
    unseen = m.unseen(case.rollout.judge.alpha)
    assert unseen is not None and m.worst is not None
    one, many = ("block", "blocks") if case.facts.unit is None else one_and_many(case.facts.unit)
    said = f"; the worst {one} was {m.worst:+.4f}, and bad {many} rarer than {unseen:.0%} may not have come yet"
    days = len({block.id[:10] for block in case.facts.paired})
    if case.facts.block_hours < 24 or case.facts.unit is not None:
        said += f"; a fault of certain days is not seen on others: these were {days} day{'' if days == 1 else 's'}"
    return said + _left_out(case)
