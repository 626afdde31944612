"""Durations, percentages, rates and cron expressions: parsed once, here, and never again.

Each is written again as a text that reads back as the same value.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from . import cel
from .rules import Check, Form

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(d|w|mo|y)", re.ASCII)
_LONGEST_SECONDS = 100 * 366 * 86400
_PERIOD_DAYS = {"d": 1.0, "w": 7.0, "mo": 365.25 / 12, "y": 365.25}

DURATION = Form(
    cel.DURATION,
    "is not a duration: write a number and a unit (ms, s, m, h, d, w), such as 6h or 14d",
    longest=32,
    written="a duration, such as 6h, 14d or 1h30m",
    number=cel.milliseconds,
)
SHARE = Form(
    cel.PERCENT,
    "is not a percentage: write a number and %, such as 25%",
    longest=32,
    written="a percentage, such as 25%",
    number=cel.share,
    bare_numbers=True,
)
RATE = Form(
    r"\s*(0*[1-9][0-9]*([.][0-9]+)?|0+[.][0-9]*[1-9][0-9]*)\s*/\s*(d|w|mo|y)\s*",
    "is not a rate: write a number, a slash and a period (d, w, mo, y), such as 1/y",
    longest=32,
    written="a rate, such as 1/y or 2/mo",
)


def _cron_field(value: str, alone: str = "") -> str:
    """Values, ranges and steps; and, `alone`, what takes neither."""
    item = rf"(([*]|{value}(-{value})?)(/0*[1-9][0-9]*)?{'|' if alone else ''}{alone})"
    return f"{item}(,{item})*"


_DATE = "(0?[1-9]|[12][0-9]|3[01])"
_DAY = "(0?[0-7]|(?i:sun|mon|tue|wed|thu|fri|sat))"
CRON = Form(
    r"\s*"
    + r"\s+".join(
        (
            _cron_field("[0-5]?[0-9]"),
            _cron_field("([01]?[0-9]|2[0-3])"),
            _cron_field(_DATE, rf"[?lL]|{_DATE}-[lL](/0*[1-9][0-9]*)?"),
            _cron_field("(0?[1-9]|1[0-2]|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))"),
            _cron_field(_DAY, rf"[?]|[lL][0-7]|{_DAY}#[1-5]"),
        )
    )
    + r"\s*",
    "is not a cron expression of five fields, such as '0 4 * * 1' (Mondays at 04:00)",
    longest=128,
)
CENTURY = Check(
    "this is longer than a century",
    f"{cel.milliseconds('self')} <= {_LONGEST_SECONDS * 1000.0}",
    lambda value: value <= timedelta(seconds=_LONGEST_SECONDS),
)
SOME_TIME = Check(
    "this must be longer than nothing", f"{cel.milliseconds('self')} > 0.0", lambda value: value > timedelta(0)
)


def parse_duration(text: Any) -> timedelta:
    """`"200ms"`, `"6h"`, `"14d"`, `"1h30m"` as a timedelta, to the millisecond. Raises ValueError with the accepted
    units."""
    if isinstance(text, timedelta):
        return text
    DURATION.checked(text)
    seconds = sum(float(number) * (0.001 if unit == "ms" else _UNITS[unit]) for number, unit in _PART.findall(text))
    if seconds > _LONGEST_SECONDS:  # said here already: a timedelta holds no more than some
        raise ValueError(CENTURY.message)
    return timedelta(milliseconds=round(seconds * 1000))


def format_duration(value: timedelta) -> str:
    """A text in one unit, at most days, that `parse_duration` reads back as the same value."""
    milliseconds = round(value.total_seconds() * 1000)
    for unit, size in (("d", 86400000), ("h", 3600000), ("m", 60000), ("s", 1000)):
        if milliseconds % size == 0 and (milliseconds or unit == "s"):
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def parse_share(text: Any) -> float:
    """`"25%"` as 0.25; a fraction such as 0.25 is one already. A whole number is refused: 25 could mean a quarter or
    twenty-five times."""
    if isinstance(text, float) and 0 <= text <= 1:
        return text
    return float(Decimal(SHARE.checked(text).strip().rstrip("%").strip()) / 100)


def format_share(value: float) -> str:
    """The text that `parse_share` reads back as the same value."""
    percent = Decimal(repr(value)) * 100
    return f"{percent.normalize():f}%"


def parse_rate(text: Any) -> float:
    """`"1/y"` as events a day. Raises ValueError with the accepted periods."""
    if isinstance(text, float) and 0 < text < float("inf"):
        return text
    match = _RATE.fullmatch(RATE.checked(text).strip())
    assert match is not None, "RATE has the same form"
    return float(match.group(1)) / _PERIOD_DAYS[match.group(2)]


def format_rate(value: float) -> str:
    """The text that `parse_rate` reads back as the same value: the roundest number a period."""
    numbers = [(round(value * days, 9), period) for period, days in _PERIOD_DAYS.items()]
    texts = [(f"{Decimal(repr(number)).normalize():f}/{period}", number) for number, period in numbers if number]
    exact = [(len(text), number, text) for text, number in texts if parse_rate(text) == value]
    return min(exact)[2] if exact else f"{Decimal(repr(value)):f}/d"


def parse_cron(text: Any) -> str:
    """A cron expression of five fields, checked. Raises ValueError where it is none."""
    from croniter import croniter

    if not CRON.match(text) or not croniter.is_valid(text):
        raise CRON.refusal(text)
    return str(text)


def last_due(cron: str, now: datetime) -> datetime:
    """The latest time at or before `now` at which `cron` was due."""
    from croniter import croniter

    due: datetime = croniter(cron, now + timedelta(seconds=1)).get_prev(datetime)
    return due


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$", "examples": ["6h", "14d"]}),
    DURATION,
    CENTURY,
]
Span = Annotated[Duration, SOME_TIME]  # a duration of more than nothing
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(format_share, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"},
                {"type": "number", "minimum": 0, "maximum": 1},
            ],
            "examples": ["25%"],
        }
    ),
    SHARE,
]
Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(format_rate, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*/\s*(d|w|mo|y)$", "examples": ["1/y"]}),
    RATE,
]
Cron = Annotated[str, BeforeValidator(parse_cron), WithJsonSchema({"type": "string", "examples": ["0 4 * * 1"]}), CRON]

# Numbers are never read from text, and true is not 1.
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
