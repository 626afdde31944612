"""Every rule about a text stands in Python and in CEL: here both are asked about the same texts."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from loops import LOOP
from pydantic import ValidationError
from real_cluster import Cluster
from tidemill.spec.model_loop import ModelLoop

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(300)]
DURATIONS = ["200ms", "6h", "14d", "2w", "1h30m", "1.5h", " 6h ", "0s", "0d0h", "5300w", "5200w", "99999999999999w"]
NO_DURATIONS = [
    "6",
    "6 hours",
    "h",
    "",
    "-6h",
    "6H",
    "1y",
    "6h 30m",
    "1e3s",
    ".5h",
    "1.h",
    "6h\n",
    "٣h",
    "1" * 31 + "s",
]
SHARES = [
    "25%",
    "0.5 %",
    "100%",
    "150%",
    " 1% ",
    "0%",
    "0.0%",
    "%",
    "-5%",
    "25",
    "1,5%",
    "1.%",
    "1%%",
    ".5%",
    "0.50%",
    "00%",
    "099.9%",
]
RATES = ["1/d", "1/w", "2/mo", "1/y", " 1 / y ", "0.5/y", "0/y", "0.0/mo", "00/d", "10/d", "007/w", "/y", "1/year"]
RATES += ["1", "-1/y", ".5/y", "0.050/d"]
CRONS = ["0 4 * * 1", "*/5 * * * *", "0 4 * * MON-FRI", "0 0 l * *", "0 0 1,15 1-6/2 *", "61 4 * * 1", "0 24 * * *"]
CRONS += ["* *", "0 4 * * 1 *", "@daily", "", "0 4 32 * *", "0 4 * 13 *", "0 4 * * 8", "a b c d e", "0  4  *  * 1"]
CRONS += ["0 0 * DEC *", "0 0 * abc *", "0 0 ? * fri#2", "0 0 20-l * *", "*/0 * * * *", "0 0 * * l5", "? * * * *"]
ENTRIES = [
    "model:train",
    "a.b.c:f",
    "_a:_b",
    "model.train",
    "model:",
    ":train",
    "1a:b",
    "a:b:c",
    "a-b:c",
    "é:f",
    "aé:f",
]
FOLDERS = ["data/", "data/*.csv", "./x", "../x", "a", "/data", "s3://b/", "C:/x", "", "\\x", "file:///x", "a b", "é/"]
IMAGES = [
    "model:1",
    "ghcr.io/a/b:1.2",
    "localhost:5000/a",
    "a@sha256:" + "0" * 64,
    "a b",
    "",
    ":1",
    "a@sha256:1",
    "a\nb",
]


def _with(*keys: str) -> Callable[[Any], dict[str, Any]]:
    def at(value: Any) -> dict[str, Any]:
        document = yaml.safe_load(LOOP)
        here = document["spec"]
        for key in keys[:-1]:
            here = here.setdefault(key, {})
        here[keys[-1]] = value
        return dict(document)

    return at


def _random_pairs() -> list[Any]:
    """giveUpAfter and arrivesAfter, near each other and often the same."""
    chance = random.Random(7)
    units = ["60s", "1m", "90m", "1.5h", "24h", "1d", "7d", "1w", "168h", "1d12h", "36h", "2w", "14d", "1209600s", None]
    return [(a, b) for a, b in itertools.product(units, units) if chance.random() < 0.4]


def _label(pair: tuple[str | None, str | None]) -> dict[str, Any]:
    label = {"column": "bought", "giveUpAfter": pair[0], "arrivesAfter": pair[1]}
    return _with("data", "label")({key: value for key, value in label.items() if value is not None})


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (_with("serving", "timeout"), DURATIONS + NO_DURATIONS),
        (_with("window", "train"), [*DURATIONS, *NO_DURATIONS, "all", "All"]),
        (_with("triggers", "newData", "growth"), [*SHARES, 25, 1, 0]),
        (_with("data", "gate", "falseAlarms"), SHARES),
        (lambda share: _with("rollout", "steps")([{"canary": share, "minOutcomes": 1}]), SHARES),
        (_with("triggers", "drift", "falseAlarms"), RATES),
        (_with("triggers", "schedule"), CRONS),
        (_with("model", "trainer"), ENTRIES),
        (_with("data", "source", "csv"), FOLDERS),
        (_with("model", "image"), IMAGES),
        (_label, _random_pairs()),
    ],
    ids=["timeout", "train", "growth", "gate", "canary", "rate", "cron", "entry", "folder", "image", "label"],
)
def test_python_and_the_api_server_agree_on_every_text(
    kinds: Cluster, make: Callable[[Any], dict[str, Any]], values: list[Any]
) -> None:
    documents = [make(value) for value in values]
    for number, document in enumerate(documents):
        document["metadata"] = {"name": f"case-{number:03d}"}
    answer = kinds.kubectl("apply", "--dry-run=server", "-f", "-", input=json.dumps(_list(documents)))
    accepted = {int(number) for number in re.findall(r"modelloop.tidemill.dev/case-(\d+) created", answer.stdout)}
    assert accepted == {number for number, document in enumerate(documents) if _is_valid(document)}, [
        (values[number], number in accepted) for number in range(len(values))
    ]


def _list(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": documents}


def _is_valid(document: dict[str, Any]) -> bool:
    try:
        ModelLoop.model_validate(document, by_alias=True, by_name=False)
    except ValidationError:
        return False
    return True
