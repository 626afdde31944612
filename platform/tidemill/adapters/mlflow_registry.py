"""The registry in MLflow: versions, runs, metrics and artifacts; aliases say who is champion and challenger.

MLflow keeps no history of aliases: that is the ledger's. Everything here can be called again after a kill: a run is
found by its turn, a version by its turn and role.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.exc import OperationalError

from tidemill.adapters.mlflow_reading import NotForUs, can_read, read_aliases, read_version
from tidemill.adapters.remedy import is_damaged, remedy
from tidemill.loop.errors import ArtifactChanged, TemporaryError, TidemillError, VersionUnknown
from tidemill.loop.model import ModelVersion
from tidemill.loop.turn.artifact import verify
from tidemill.loop.turn.files import join, local_path, store_folder
from tidemill.loop.turn.request import folder_of

DIGEST, TURN, ROLE = "tidemill.digest", "tidemill.turn", "tidemill.role"
SCHEMA = "tidemill.schema"
_LONGEST_TAG = 5000  # MLflow's limit
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # it says the latter of a version that is no number
_PASSING = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED")  # a server that is away: the second

P = ParamSpec("P")
T = TypeVar("T")


def _asks(method: Callable[P, T]) -> Callable[P, T]:
    """What MLflow cannot answer now is a TemporaryError: a version that cannot be asked for is not one that is gone. A
    SQLite file that is damaged is a TidemillError that names it."""

    @wraps(method)
    def asking(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            damage = getattr(error, "orig", None)
            if is_damaged(damage):
                where = getattr(args[0], "_uri", "")
                raise TidemillError(f"MLflow's store {where} cannot be read: {damage}. {remedy(damage)}") from error
            if getattr(error, "error_code", None) not in _PASSING and not isinstance(error, OperationalError):
                raise
            said = str(error).splitlines()[0]
            raise TemporaryError(
                f"MLflow does not answer: {said}. Nothing was changed; the next tick asks again."
            ) from error

    return asking


class MlflowRegistry:
    """`tracking_uri` as MLflow takes it; `artifacts` is the folder (path or URI) that registered models are kept in.

    A server keeps what runs log where it wants to; without one that is below `artifacts`, too.
    """

    def __init__(self, tracking_uri: str, artifacts: Path | str) -> None:
        self._uri = tracking_uri
        self._artifacts = artifacts.absolute().as_uri() if isinstance(artifacts, Path) else artifacts
        self._opened: Any = None

    @property
    def _client(self) -> Any:
        if self._opened is None:
            for name in ("mlflow", "alembic"):
                logging.getLogger(name).setLevel(logging.ERROR)
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing of ours calls out
            from mlflow import MlflowClient

            if self._uri.startswith("sqlite:///"):
                Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            self._opened = MlflowClient(tracking_uri=self._uri)
        return self._opened

    # writing

    @_asks
    def run(self, name: str, turn: str, tags: Mapping[str, str]) -> str:
        """The id of the turn's run in the loop's experiment; begun where there is none yet."""
        experiment = self._client.get_experiment_by_name(name)
        location = None if self._uri.startswith("http") else join(self._artifacts, name)
        id = self._client.create_experiment(name, location) if experiment is None else experiment.experiment_id
        found = self._client.search_runs([id], f"tags.`{TURN}` = '{turn}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        return str(self._client.create_run(id, tags={TURN: turn, **tags}, run_name=f"turn {turn}").info.run_id)

    @_asks
    def log(
        self, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float], files: Mapping[str, str]
    ) -> None:
        """Parameters, metrics and text files of a run, and its end. Logging the same again changes nothing."""
        from mlflow.entities import Metric, Param

        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, 0, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
        )
        for path, text in files.items():
            self._client.log_text(run_id, text, path)
        self._client.set_terminated(run_id)

    @_asks
    def register(self, name: str, artifact_uri: str, digest: str, turn: str, tags: Mapping[str, str]) -> ModelVersion:
        role = tags.get(ROLE, "model")
        for known in self._search(name, turn):
            if known.tags.get(ROLE, "model") == role:
                return known
        kept = self._keep(name, artifact_uri, digest, turn, role)
        self._ensure_model(name)
        every = {**tags, TURN: turn, DIGEST: digest, ROLE: role}
        made = self._client.create_model_version(name, kept, tags=every, run_id=tags.get("tidemill.run"))
        return _version(made)

    def _keep(self, name: str, artifact_uri: str, digest: str, turn: str, role: str) -> str:
        """The model's files where they stay: a turn's folder may be cleaned up one day.

        Files that are there already and are others were kept by a run that was killed before it registered them: the
        same turn, refitted, has another digest, since MLflow writes the time into a model's folder.
        """
        target = join(self._artifacts, name, "models", f"{turn}-{role}")
        here = local_path(target)
        if here is not None and here.exists():
            with suppress(ArtifactChanged):
                verify(here, digest)
                return target
        folder = folder_of(artifact_uri)
        verify(folder, digest)
        store_folder(folder, target)
        return target

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            self._client.create_registered_model(name)

    @_asks
    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """Raises VersionUnknown."""
        if version is not None:
            self.get(name, version)
            self._client.set_registered_model_alias(name, alias, version)
        elif alias in self.aliases(name):
            self._client.delete_registered_model_alias(name, alias)

    # reading

    @_asks
    def versions(self, name: str) -> list[ModelVersion]:
        found = [_version(version) for version in self._client.search_model_versions(f"name = '{name}'")]
        return sorted(found, key=lambda version: int(version.version))

    @_asks
    def get(self, name: str, version: str) -> ModelVersion:
        if can_read(self._uri):
            with suppress(NotForUs):
                found = read_version(self._uri, name, version)
                if found is None:
                    raise self._unknown(name, version)
                return _read(found)
        from mlflow.exceptions import MlflowException

        try:
            return _version(self._client.get_model_version(name, version))
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            raise self._unknown(name, version) from error

    @_asks
    def aliases(self, name: str) -> dict[str, str]:
        if can_read(self._uri):
            with suppress(NotForUs):
                return read_aliases(self._uri, name)
        from mlflow.exceptions import MlflowException

        try:
            return {alias: str(version) for alias, version in self._client.get_registered_model(name).aliases.items()}
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            return {}

    def _unknown(self, name: str, version: str) -> VersionUnknown:
        return VersionUnknown(
            f"MLflow ({self._uri.split('@')[-1]}) has no version {version} of {name}. Was it deleted there? "
            "`tidemill rollback` lets the previous champion serve."
        )

    def _search(self, name: str, turn: str) -> list[ModelVersion]:
        return [version for version in self.versions(name) if version.turn == turn]


def _version(found: Any) -> ModelVersion:
    return _made(str(found.version), str(found.source), found.run_id, dict(found.tags))


def _read(found: Mapping[str, Any]) -> ModelVersion:
    """Of the REST API's document, which leaves out what is empty."""
    tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", [])}
    return _made(str(found["version"]), str(found.get("source", "")), found.get("run_id"), tags)


def _made(version: str, uri: str, run_id: str | None, tags: dict[str, str]) -> ModelVersion:
    return ModelVersion(version, uri, tags.get(DIGEST, ""), tags.get(TURN, ""), run_id or "", tags)


def schema_tag(columns: list[str]) -> str:
    """Columns as a tag: JSON, as many of them as fit, and then "..."."""
    text = json.dumps(columns)
    shown = len(columns)
    while len(text) > _LONGEST_TAG:
        shown -= 1
        text = json.dumps([*columns[:shown], "..."])
    return text
