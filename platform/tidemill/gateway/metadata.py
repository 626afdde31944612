"""A model's metadata in the Open Inference Protocol: what a model server says of itself, and a gateway reads.

The protocol knows datatypes only. What MLflow recorded besides (whether a column may be missing, which text is a time)
travels in each tensor's `parameters`; a server that gives none is believed by its datatypes.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from tidemill.loop.errors import TemporaryError

from .schema import Column, Schema

SECONDS = 2.0

_TYPES = {"FP64": "double", "FP32": "float", "INT64": "long", "INT32": "integer", "BOOL": "boolean", "BYTES": "string"}


@dataclass(frozen=True)
class Described:
    schema: Schema | None
    digest: str | None


def describe(name: str, version: str, digest: str, schema: Schema | None) -> dict[str, Any]:
    columns = [] if schema is None else schema.columns
    tensors = [] if schema is None else schema.tensors()
    inputs = [
        {**tensor, "parameters": {"type": column.type, "required": column.required}}
        for tensor, column in zip(tensors, columns, strict=True)
    ]
    return {
        "name": name,
        "versions": [version],
        "platform": "mlflow_sklearn",
        "inputs": inputs,
        "outputs": [{"name": "probability", "datatype": "FP64", "shape": [-1]}],
        "parameters": {"digest": digest},
    }


def described(document: Mapping[str, Any]) -> Described:
    columns = tuple(_column(tensor) for tensor in document.get("inputs") or ())
    parameters = document.get("parameters") or {}
    return Described(Schema(columns) if columns else None, parameters.get("digest"))


def fetch(endpoint: str, name: str, version: str) -> Described:
    """Raises TemporaryError where nobody answers, or answers for another model."""
    parts = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/v2/models/{quote(name)}/versions/{quote(version)}")
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise TemporaryError(f"{endpoint} answers {response.status} for version {version} of {name}.")
        return described(json.loads(body))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise TemporaryError(
            f"The server at {endpoint} does not describe version {version} of {name}: {error or type(error).__name__}."
        ) from error
    finally:
        connection.close()


def _column(tensor: Mapping[str, Any]) -> Column:
    parameters = tensor.get("parameters") or {}
    return Column(
        tensor["name"],
        parameters.get("type") or _TYPES.get(tensor["datatype"], "string"),
        bool(parameters.get("required", True)),
    )
