"""Names, entry points, columns, files, images: what a text may be in a ModelLoop, and what is said of another."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

from . import cel
from .quantities import Duration, Share
from .rules import Check, Form

ENTRY_POINT = Form(
    r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*",
    "is not an entry point: write module:function, such as model:train",
    longest=256,
)
NAME = Form(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
    "is not a name: use a-z, 0-9 and '-', at most 63, as Kubernetes does",
    longest=63,
)
INSIDE = Form(
    r"([^/:\\]|[^/:\\][^:]|[^/:\\][^:]([^:]|:[^/]|:/[^/])*)",
    "is not a folder or glob relative to this file, such as data/",
    longest=512,
)
IMAGE = Form(
    r"[A-Za-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?",
    "is not an image: write registry/name:tag, such as ghcr.io/you/visits:1",
    longest=512,
)
QUANTITY = Form(
    r"[0-9]+([.][0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?",
    "is not a quantity: write a number and a unit as Kubernetes has them, such as 500m, 2 or 4Gi",
    longest=32,
    whole_numbers=True,
)


def parse_quantity(value: Any) -> str:
    """`"500m"`, `"4Gi"`, or a whole number. Raises ValueError."""
    return str(QUANTITY.text(QUANTITY.checked(value)))


def image_digest(reference: str) -> str | None:
    """`sha256:...` of an image that is named by digest; None for one that is named by its tag alone."""
    return reference.partition("@")[2] or None


def parse_entry_point(text: Any) -> str:
    """`module:function`, checked for its form alone. Raises ValueError."""
    return str(ENTRY_POINT.checked(text))


EntryPoint = Annotated[
    str,
    BeforeValidator(parse_entry_point),
    WithJsonSchema({"type": "string", "examples": ["model:train"]}),
    ENTRY_POINT,
]
Quantity = Annotated[
    str,
    BeforeValidator(parse_quantity),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}], "examples": ["500m", "4Gi"]}),
    QUANTITY,
]
Column = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Inside = Annotated[str, AfterValidator(INSIDE.checked), INSIDE]
# For the gate alone, which the API server asks no rule of: it may be a word, too.
BETWEEN = Form(
    r"\s*(0*[1-9][0-9]?([.][0-9]+)?|0+[.][0-9]*[1-9][0-9]*)\s*%\s*", "does not lie between 0% and 100%", longest=32
)
Name = Annotated[str, AfterValidator(NAME.checked), NAME]
PartOfAll = Annotated[Share, BETWEEN]
Image = Annotated[str, AfterValidator(IMAGE.checked), IMAGE]
ADay = Annotated[
    Duration,
    Check(
        "partitions are days in this version: write 1d",
        f"{cel.milliseconds('self')} == 86400000.0",
        lambda every: every == timedelta(days=1),
    ),
]
_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
# For `block` alone, which the API server asks no rule of: it may be a mapping, too.
_BLOCK = Form(
    rf"\s*(({'|'.join(map(str, _HOURS))})h|({'|'.join(str(60 * hours) for hours in _HOURS)})m|1d)\s*",
    "is not a block: write 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d",
    longest=32,
)
PartOfADay = Annotated[
    Duration,
    Check(
        "a block is 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d, so that whole blocks fill a day",
        f"{cel.milliseconds('self')} in [{', '.join(f'{hours * 3600000}.0' for hours in _HOURS)}]",
        lambda block: block in {timedelta(hours=hours) for hours in _HOURS},
    ),
    _BLOCK,
]


def glob_of(pattern: str, format: str) -> str:
    """What matches a source's files: `pattern` where it is a glob, else all of that format in the folder it names."""
    is_glob = any(character in pattern for character in "*?[")
    return pattern if is_glob else f"{pattern.rstrip('/')}/*.{format}"
