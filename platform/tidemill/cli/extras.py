"""Which extra of tidemill's a library comes with that is not installed."""

from __future__ import annotations

import re
from importlib import metadata

# What each verb needs, all of it; any other works with what `local` has.
_OF_VERBS = {
    "serve": "gateway",
    "server": "server",
    "controller": "cluster",
    "gateway": "cluster",
    "model-server": "model-server",
}
_OTHER_NAMES = {"scikit_learn": "sklearn"}  # where a library is imported by another name than it is installed by


def missing_text(verb: str, module: str) -> str | None:
    """What to install for a module that the verb did not find; None where it is none of ours to name."""
    name = module.partition(".")[0]
    if name not in _optional():
        return None
    extra = _OF_VERBS.get(verb, "local")
    return f"`tidemill {verb}` needs {name}, which is not installed: install it with `pip install 'tidemill[{extra}]'`."


def _optional() -> set[str]:
    """The modules that extras bring."""
    wanted = (text for text in metadata.requires("tidemill") or () if "extra ==" in text)
    names = {re.sub(r"[-.]+", "_", re.split(r"[^\w.-]", text, maxsplit=1)[0]).lower() for text in wanted}
    return {_OTHER_NAMES.get(name, name) for name in names} - {"tidemill"}
