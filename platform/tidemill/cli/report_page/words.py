"""What the page says: pure functions from results to texts and table rows. A missing figure is a dash, never a zero."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

Results = Mapping[str, Any]

ORDER = ("tidemill", "never", "weekly", "weekly_rollout")
ROUTINE_EVENTS = ("partition.admitted",)  # a day on which nothing happened
DASH = "–"


def number(value: Any, digits: int = 0, signed: bool = False) -> str:
    """`.4871` rather than `0.4871`, `283,118`, a true minus sign; a dash where there is no number."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{digits}f}"
    if digits and text.startswith("0."):
        text = text[1:]
    if value < 0 and float(text.replace(",", "")) != 0:
        return "−" + text
    return ("+" if signed and value > 0 else "") + text


def count(value: Any, noun: str, nouns: str | None = None) -> str:
    return f"{number(value)} {noun if value == 1 else nouns or noun + 's'}"


def period(results: Results) -> str:
    span = results.get("period") or {}
    return f"{span.get('start', '?')} to {span.get('end', '?')}"


def ordered_policies(results: Results) -> list[tuple[str, Mapping[str, Any]]]:
    found = results.get("policies") or {}
    names = [name for name in ORDER if name in found] + [name for name in found if name not in ORDER]
    return [(name, found[name]) for name in names]


def headline(results: Results) -> str:
    """The run in a few sentences, with its figures."""
    found = dict(ordered_policies(results))
    own = found.get("tidemill")
    if own is None:
        return "This loop was not replayed: there is nothing to compare."
    trainings = count(own.get("trainings"), "training")
    sentences = [f"With {trainings}, this loop answered with a log loss of {number(own.get('log_loss'), 4)}"]
    against = [_against(own, found[name], text) for name, text in _RIVALS if name in found]
    sentences[0] += ("; that is " + ", ".join(against) if against else "") + "."
    sentences += [text for text in (_caught(results), _promoted(results)) if text]
    return " ".join(sentences)


_RIVALS = (
    ("never", "never training again"),
    ("weekly", "training weekly and going live at once"),
    ("weekly_rollout", "training weekly through the same rollouts"),
)


def _against(own: Mapping[str, Any], rival: Mapping[str, Any], text: str) -> str:
    if not (_finite(own.get("log_loss")) and _finite(rival.get("log_loss"))):
        return f"not comparable with {text}"
    gap = rival["log_loss"] - own["log_loss"]
    trainings = f" ({count(rival.get('trainings'), 'training')})" if rival.get("trainings") else ""
    if number(gap, 4) == number(0, 4):
        return f"the same as {text}{trainings}"
    return f"{number(abs(gap), 4)} {'better' if gap > 0 else 'worse'} than {text}{trainings}"


def _caught(results: Results) -> str:
    days = results.get("corrupted_days") or {}
    if not days.get("injected"):
        return "No day was corrupted."
    held = results.get("clean_days") or {}
    return (
        f"It caught {number(days.get('caught'))} of {count(days['injected'], 'corrupted day')}, trained on"
        f" {number(days.get('trained_on'))} of them, and held back {number(held.get('held_back'))} of"
        f" {count(held.get('total'), 'clean day')}."
    )


def _promoted(results: Results) -> str:
    bad = results.get("sabotaged") or {}
    if not bad.get("injected"):
        return "No challenger was sabotaged."
    return f"Of {count(bad['injected'], 'sabotaged challenger')} it promoted {number(bad.get('promoted'))}."


def cards(results: Results) -> list[tuple[str, str, str]]:
    """(figure, what it is, what to hold it against) for the row of figures at the top."""
    found = dict(ordered_policies(results))
    own, never = found.get("tidemill", {}), found.get("never", {})
    corrupted, clean = results.get("corrupted_days") or {}, results.get("clean_days") or {}
    bad = results.get("sabotaged") or {}
    weekly = found.get("weekly", {}).get("trainings")
    never_loss, trained_on = number(never.get("log_loss"), 4), number(corrupted.get("trained_on"))
    return [
        (number(own.get("log_loss"), 4), "log loss", f"never training again: {never_loss}"),
        (number(own.get("trainings")), "trainings", f"weekly: {number(weekly)}"),
        (_of(corrupted, "caught", "injected"), "corrupted days caught", f"trained on: {trained_on}"),
        (_of(clean, "held_back", "total"), "clean days held back", _share(clean)),
        (_of(bad, "promoted", "injected"), "sabotaged challengers promoted", "only a rollout can tell"),
    ]


def _of(counts: Mapping[str, Any], part: str, whole: str) -> str:
    return f"{number(counts.get(part))} of {number(counts[whole])}" if counts.get(whole) is not None else DASH


def _share(clean: Mapping[str, Any]) -> str:
    total, held = clean.get("total"), clean.get("held_back")
    return f"{number(100 * held / total, 1)} %" if total and held is not None else DASH


def clean_days(results: Results) -> str:
    clean = results.get("clean_days") or {}
    if clean.get("total") is None:
        return ""
    total, held = count(clean.get("total"), "clean day"), number(clean.get("held_back"))
    return f"Of {total}, {held} were held back ({_share(clean)})."


def policies(results: Results) -> list[dict[str, Any]]:
    """A row a policy, with its gap to never training again (negative is better)."""
    never = (results.get("policies") or {}).get("never", {}).get("log_loss")
    rows = []
    for name, policy in ordered_policies(results):
        loss = policy.get("log_loss")
        gap = loss - never if _finite(loss) and _finite(never) and name != "never" else None
        predictions = sum(day.get("n") or 0 for day in policy.get("daily") or [])
        bad = number(policy.get("sabotaged_promoted"))
        if policy.get("sabotaged") is not None:
            bad += f" of {number(policy['sabotaged'])}"
        title = policy.get("title") or name
        rows.append({**policy, "name": name, "title": title, "gap": gap, "bad": bad, "outcomes": predictions})
    return rows


def rollouts(results: Results) -> list[dict[str, Any]]:
    return [
        {
            **rollout,
            "steps": [step(entry) for entry in rollout.get("steps") or []],
            "started": str(rollout["started"])[:10],
            "ended": str(rollout["ended"])[:10] if rollout.get("ended") else "still running",
        }
        for rollout in results.get("rollouts") or []
    ]


def step(entry: Any) -> str:
    """A step as a line: a text stays, a record is read out, its share of the traffic first."""
    if not isinstance(entry, Mapping):
        return str(entry)
    kinds = [f"{kind} {entry[kind]:.0%}" for kind in ("shadow", "canary") if _finite(entry.get(kind))]
    rest = [
        f"{key.replace('_', ' ')} {_value(value)}" for key, value in entry.items() if key not in ("shadow", "canary")
    ]
    return ", ".join(kinds + rest)


def events(results: Results) -> list[Mapping[str, Any]]:
    return [event for event in results.get("events") or [] if event.get("event") not in ROUTINE_EVENTS]


def routine(results: Results) -> str:
    left_out = len(results.get("events") or []) - len(events(results))
    return f"{count(left_out, 'day')} admitted without a word are left out." if left_out else ""


def provenance(results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    """Titled lists of (name, value): the environment and the timings, nested names joined by a dot."""
    sections = (("Environment", "environment"), ("Timings", "timings"))
    return [(title, list(_flat(results.get(key) or {}))) for title, key in sections]


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _value(value)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    return str(value)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
