"""The API described for machines (OpenAPI 3.1), from one table."""

from __future__ import annotations

import re
from typing import Any

import tidemill
from tidemill.loop.asking import WORDS

_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_NS = "/v1/namespaces/{namespace}"
_LOOP = f"{_NS}/loops/{{name}}"
_OUTCOME = {
    "type": "object",
    "required": ["key", "label"],
    "properties": {"key": _TEXT, "label": {"enum": [0, 1]}},
}
_ASK = {
    "type": "object",
    "required": ["what"],
    "properties": {"what": {"enum": list(WORDS)}, "note": _TEXT, "partition": _TEXT, "since": _TEXT},
}
_OUTCOMES = {
    "type": "object",
    "required": ["outcomes"],
    "properties": {"outcomes": {"type": "array", "items": _OUTCOME}},
}
_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {"specversion": {"const": "1.0"}, "id": _TEXT, "source": _TEXT, "type": _TEXT, "subject": _TEXT,
                   "loop": _TEXT},
}  # fmt: skip
_ALERTS = {
    "type": "object",
    "required": ["alerts"],
    "properties": {"alerts": {"type": "array", "items": {"type": "object"}}},
}

# (method, path, what it does, status when all is well, query parameters, body)
OPERATIONS: list[tuple[str, str, str, int, dict[str, Any], dict[str, Any] | None]] = [
    ("get", f"{_NS}/loops", "The loops of a namespace", 200, {}, None),
    ("get", _LOOP, "Where a loop stands", 200, {}, None),
    ("get", f"{_LOOP}/history", "Its ledger, oldest first", 200,
     {"after": _WHOLE, "limit": _WHOLE, "last": _WHOLE, "event": _TEXT}, None),
    ("post", f"{_LOOP}/outcomes", "Labels that came true", 200, {}, _OUTCOMES),
    ("post", f"{_LOOP}/requests", "Ask something of the loop", 202, {}, _ASK),
    ("post", f"{_NS}/events", "CloudEvents 1.0: structured, batched or binary", 202, {}, _EVENT),
    ("post", f"{_NS}/alerts", "Alertmanager's webhook", 202, {}, _ALERTS),
    ("get", "/healthz", "The process lives", 200, {}, None),
    ("get", "/readyz", "The state store answers", 200, {}, None),
    ("get", "/metrics", "Prometheus metrics", 200, {}, None),
]  # fmt: skip

_ERRORS = {"400": "not understood", "401": "no valid token", "403": "not allowed", "404": "no such loop",
           "409": "nothing to do", "413": "too large", "503": "try again"}  # fmt: skip


def document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for method, path, summary, status, query, body in OPERATIONS:
        operation: dict[str, Any] = {
            "summary": summary,
            "parameters": [
                *({"name": n, "in": "path", "required": True, "schema": _TEXT} for n in re.findall(r"{(\w+)}", path)),
                *({"name": name, "in": "query", "schema": schema} for name, schema in query.items()),
            ],
            "responses": {
                str(status): {"description": "done"},
                **{code: {"description": said, "content": _json({"$ref": "#/components/schemas/Error"})}
                   for code, said in _ERRORS.items()},
            },
        }  # fmt: skip
        if body is not None:
            operation["requestBody"] = {"required": True, "content": _json(body)}
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tidemill", "version": tidemill.__version__},
        "paths": paths,
        "security": [{"bearer": []}],
        "components": {
            "schemas": {"Error": {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
