"""What `kubectl explain` says of a field: its meaning and its default, from the model's own descriptions."""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .annotations import first, marks, models_in
from .json_schema import as_written
from .rules import Form

_WORD = re.compile(r"[a-z]+[ ,;.]")


def described(field: FieldInfo) -> str:
    """Meaning, what the mapping below it is or how a text is written, default."""
    meaning, models = field.description or "", models_in(field.annotation)
    below = [docstring(model) for model in models]
    if any(text.rstrip(".").lower().startswith(meaning.lower()) for text in below):
        meaning = ""
    default = None if field.is_required() else as_written(field)
    shown = "" if default in (None, {}, [], False) or (models and isinstance(default, dict)) else _shown(default)
    form = first(Form, marks(field))
    written = "" if form is None else form.written
    return " ".join(filter(None, map(sentence, [meaning, *below, written, shown])))


def docstring(model: type[BaseModel]) -> str:
    return re.sub(r"\s+", " ", (model.__doc__ or "").strip())


def sentence(text: str) -> str:
    """With a capital, unless it begins with code, and a full stop."""
    begun = text[0].upper() + text[1:] if _WORD.match(text + ".") else text
    return f"{begun.rstrip('.')}." if text else ""


def _shown(default: Any) -> str:
    text = str(default)
    if isinstance(default, (list, dict)):
        text = yaml.safe_dump(default, default_flow_style=True, sort_keys=False, width=10_000).strip()
    return f"Default: {text}"
