"""What the pages name that are read in a hurry is there: values of the chart, verbs and their options, files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from tidemill.cli.main import VERBS, cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "docs/install.md", "charts/tidemill/README.md", "manifests/README.md")]
SPOKEN = [*PAGES, ROOT / "docs/events.md", ROOT / "docs/held-back.md"]
SCHEMA: dict[str, Any] = json.loads((ROOT / "charts/tidemill/values.schema.json").read_text())
EVERYWHERE = {"-h", "--help"}


def code(page: Path) -> list[str]:
    """Every command line of a page, those that are continued in one, and every word between backticks."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [*lines, *indented, *re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))]


def is_value(path: str) -> bool:
    """Whether the chart has the value, by its schema; below a list or a mapping of the user's own everything is one."""
    node = SCHEMA
    for part in path.split("."):
        if "properties" not in node:
            return True
        name = part.partition("[")[0]
        if name not in node["properties"]:
            return False
        node = node["properties"][name]
        if "$ref" in node:
            node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_value_is_one_of_the_chart(page: Path) -> None:
    lines = code(page)
    named = {name for line in lines for name in re.findall(r"--set[ =]([\w.\[\]]+)=", line)}
    tops = set(SCHEMA["properties"])
    named |= {line for line in lines if re.fullmatch(r"[a-zA-Z]+(\.[a-zA-Z]+)+", line) and line.split(".")[0] in tops}
    assert [name for name in sorted(named) if not is_value(name)] == []
    assert named or page.parent.name == "manifests", "nothing was found: does this test still read the page?"


@pytest.mark.parametrize("page", SPOKEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_verb_and_option_is_one_of_the_command_line(page: Path) -> None:
    wrong = []
    for line in code(page):
        for words in re.findall(r"(?:^|[;&|] ?)tidemill ([a-z-]+)([^;&|#]*)", line):
            verb, rest = words
            known = _options(verb)
            wrong += [f"tidemill {verb}"] if known is None else [
                f"tidemill {verb} {option}" for option in re.findall(r"(?<=\s)--?[a-z-]+", rest) if option not in known
            ]  # fmt: skip
    assert wrong == []


def _options(verb: str) -> set[str] | None:
    if verb not in VERBS:
        return None
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts} | EVERYWHERE


@pytest.mark.parametrize("page", SPOKEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_and_folder_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    folders = re.findall(r"(?<![\w/.-])((?:charts|manifests|examples|docs|ci)/[\w./-]*\w)", " ".join(code(page)))
    lost = [link for link in links if not (page.parent / link).exists()]
    assert [*lost, *(folder for folder in folders if not (ROOT / folder).exists())] == []
