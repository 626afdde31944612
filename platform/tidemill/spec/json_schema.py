"""The JSON schema of the files, for editors and for whoever generates them."""

from __future__ import annotations

from typing import Any

from .model_loop import ModelLoop
from .profile import Profile

KINDS = {"ModelLoop": ModelLoop, "Profile": Profile}


def json_schema(kind: str) -> dict[str, Any]:
    """JSON schema, draft 2020-12, of `ModelLoop` or `Profile`, by the names that files use."""
    schema = KINDS[kind].model_json_schema(by_alias=True, mode="validation")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://tidemill.dev/v1alpha1/{kind}.json",
    }
    return {**head, **schema}
