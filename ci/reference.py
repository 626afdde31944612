"""Writes docs/reference/ from the code: every field, every verb, every reason.

python ci/reference.py [--check]     # --check: writes nothing, ends with 1 where a page is stale
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from importlib import import_module
from pathlib import Path
from typing import Any, get_origin

import click
from pydantic import BaseModel, TypeAdapter
from tidemill.cli.main import VERBS, cli
from tidemill.controller import reasons as condition_reasons
from tidemill.decisions import verdict
from tidemill.spec import crd, forms, quantities
from tidemill.spec.explain import model_in
from tidemill.spec.json_schema import KINDS, as_written, models, schema_of
from tidemill.spec.loop_status import ModelLoopStatus
from tidemill.spec.model_rollout import ModelRollout

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Made by `make reference` from the code; edit that. -->\n"
# Types that have a form of their own; the words link to the table of forms.
FORMS = {
    "duration": (
        quantities.Duration,
        "a number and a unit, several in a row: ms, s, m, h, d, w",
        "`6h`, `1h30m`, `14d`",
    ),
    "percentage": (quantities.Share, "a number and %; or a fraction from 0 to 1", "`25%`, `0.25`"),
    "rate": (quantities.Rate, "a number, a slash and a period: d, w, mo, y", "`1/y`, `2/mo`"),
    "quantity": (
        forms.Quantity,
        "a number and a unit as Kubernetes has them: m, Ki, Mi, Gi, k, M, G",
        "`500m`, `2`, `4Gi`",
    ),
    "cron": (quantities.Cron, "five fields, UTC", "`0 4 * * 1`: Mondays at 04:00"),
}


def model_loop_page() -> str:
    lines = [NOTE, "# ModelLoop and Profile\n"]
    lines.append("A field without a default must be written. Any other field is an error that names the nearest one.\n")
    lines.append("| form | how it is written | such as |\n|---|---|---|")
    lines += [f"| {word} | {how} | {example} |" for word, (_, how, example) in FORMS.items()]
    for kind, root in KINDS.items():
        lines += [f"\n## {kind}\n\n{_docstring(root)}", *_tables(root, absent="off")]
    return "\n".join(lines) + "\n"


def _tables(root: type[BaseModel], below: str = "", absent: str = "") -> list[str]:
    """A table of fields for each model, those of a path `below` alone where one is given. `absent`: what it means that
    a mapping is not there."""
    lines, schema = [], schema_of(root)
    for model, path in _with_paths(root):
        if not path.startswith(below):
            continue
        described = schema if model is root else schema["$defs"][model.__name__]
        if model is not root:
            lines.append(f"\n### {path}\n\n{_docstring(model)}")
        lines.append("\n| field | type | default | meaning |\n|---|---|---|---|")
        properties = described["properties"]
        lines += [_field_row(field, properties[field.alias], absent) for field in model.model_fields.values()]
    return lines


def crds_page() -> str:
    lines = [NOTE, "# ModelLoop and ModelRollout on a cluster\n"]
    lines.append(
        f"Group `{crd.GROUP}`, version `{crd.VERSION}`, both namespaced. What a person writes in a ModelLoop: "
    )
    lines[-1] += "[ModelLoop](modelloop.md). How the API server checks it: [kinds](../kinds.md)."
    lines.append("\n| kind | plural | short | selected by | `kubectl get` shows |\n|---|---|---|---|---|")
    for kind in crd.KINDS:
        chosen = ", ".join(f"`{path.removeprefix('.')}`" for path in kind.selectable)
        columns = ", ".join(name for name, _, _ in kind.columns)
        lines.append(
            f"| {kind.name} | `{kind.plural}` | `{kind.short}` | {chosen} | {columns} (the last with `-o wide`) |"
        )
    lines.append("\n## ModelLoop: status")
    lines += _tables(ModelLoopStatus)
    lines.append(f"\n## ModelRollout\n\n{_docstring(ModelRollout)}")
    for part in ("spec", "status"):
        lines += _tables(ModelRollout, below=part)
    return "\n".join(lines) + "\n"


def _docstring(model: type[BaseModel]) -> str:
    return re.sub(r"\s+", " ", (model.__doc__ or "").strip())


def _with_paths(root: type[BaseModel]) -> list[tuple[type[BaseModel], str]]:
    """Each model with the path of the first field that holds it."""
    paths: dict[type[BaseModel], str] = {root: ""}
    for model in models(root):
        for field in model.model_fields.values():
            inner = model_in(field.annotation)
            if inner is not None:
                paths.setdefault(inner, f"{paths[model]}.{field.alias}{_many(field)}".removeprefix("."))
    return list(paths.items())


def _many(field: Any) -> str:
    return "[]" if get_origin(field.annotation) is tuple else ""


def _field_row(field: Any, described: dict[str, Any], absent: str) -> str:
    if field.is_required():
        default = "required"
    elif "default" not in described or (model_in(field.annotation) and not isinstance(described["default"], str)):
        default = "" if described.get("default", 0) is not None else absent
    elif described["default"] in (None, ""):
        default = ""
    else:
        default = _code(as_written(field))
    kind = _type(described)
    if model_in(field.annotation) is None and kind == "duration" and quantities.SOME_TIME in field.metadata:
        kind = "duration > 0"
    return f"| `{field.alias}` | {kind} | {default} | {described.get('description', '')} |"


def _code(value: Any) -> str:
    text = "true" if value is True else "false" if value is False else f"{value}".replace("'", "")
    return f"`{text}`"


def _type(described: dict[str, Any]) -> str:
    form = _form(described)
    if form:
        return form
    if "anyOf" in described:
        parts = [_type(part) for part in described["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    if "enum" in described or "const" in described:
        return " or ".join(f"`{word}`" for word in described.get("enum", [described.get("const")]))
    if "$ref" in described:
        return "mapping"
    if described.get("format") == "date-time":
        return "time"
    kind = {"integer": "whole number", "string": "text", "boolean": "true or false", "object": "mapping"}
    if described.get("type") == "array":
        return (
            f"list of {_type(described['items'])}s"
            if "$ref" in described["items"]
            else f"list: {_type(described['items'])}"
        )
    word = kind.get(described.get("type", ""), str(described.get("type", "")))
    if described.get("examples") == ["model:train"]:
        word = "`module:function`"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    said = ", ".join(f"{sign} {described[key]:g}" for key, sign in bounds.items() if key in described)
    return f"{word} {said}".strip()


def _form(described: dict[str, Any]) -> str:
    for word, (form, _, _) in FORMS.items():
        schema = TypeAdapter(form).json_schema()
        if all(described.get(key) == value for key, value in schema.items()):
            return word
    return ""


def cli_page() -> str:
    lines = [NOTE, "# Command line\n", "```text", _help(cli, "tidemill"), "```\n"]
    lines.append('An error is a sentence on stderr; with `--output json` it is `{"error": {...}}` there.\n')
    lines += ["| code | means |\n|---|---|", "| 0 | done |", "| 1 | it failed |"]
    lines += ["| 2 | the files or the command line are wrong |", "| 3 | another process acts for this loop |"]
    for verb, (module, _) in VERBS.items():
        command = import_module(f"tidemill.cli.{module}").command
        lines += [f"\n## {verb}\n", "```text", _help(command, f"tidemill {verb}"), "```"]
    return "\n".join(lines) + "\n"


def _help(command: click.Command, name: str) -> str:
    context = click.Context(
        command, info_name=name, terminal_width=100, max_content_width=100, help_option_names=["-h", "--help"]
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def reasons_page() -> str:
    """From the comments beside each reason: they are its documentation."""
    lines = [NOTE, "# Reasons\n", "The vocabulary of status, history, plan, logs and reports alike. A condition of a "]
    lines[-1] += "ModelLoop or a ModelRollout has one of these, too: [which, and when](../controller.md#conditions)."
    for group, reasons in _reasons().items():
        lines.append(f"\n## {group[0].upper()}{group[1:]}\n\n| reason | means |\n|---|---|")
        lines += [f"| `{reason}` | {meaning} |" for reason, meaning in reasons]
    return "\n".join(lines) + "\n"


def _reasons() -> dict[str, list[tuple[str, str]]]:
    """Reason and meaning, by the comment that stands above a group of them."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for module in (verdict, condition_reasons):
        _add_reasons(Path(str(module.__file__)).read_text(encoding="utf-8"), groups)
    return groups


def _add_reasons(source: str, groups: dict[str, list[tuple[str, str]]]) -> None:
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    group = "reasons"
    for number, line in enumerate(source.splitlines(), 1):
        if number in comments and line.strip().startswith("#"):
            group = comments[number]
        match = re.match(r'    [A-Z_]+ = "(\w+)"', line)
        if match:
            groups.setdefault(group, []).append((match.group(1), comments.get(number, "")))


PAGES = {"modelloop.md": model_loop_page, "crds.md": crds_page, "cli.md": cli_page, "reasons.md": reasons_page}


def main(check: bool) -> int:
    stale = []
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                FOLDER.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale:
        print(f"docs/reference: {', '.join(stale)} {'stale: run `make reference`' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
