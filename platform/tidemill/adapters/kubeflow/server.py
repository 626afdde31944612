"""The few things we ask of a Kubeflow Pipelines server, by its generated client (v2beta1, as every release from 2.0 has
it). `kfp.Client` is not used: it asks the server while it is being made, prints, and costs a second of imports."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tidemill.loop.errors import TemporaryError, TidemillError

_SECONDS = 20
_CONFLICT, _NOT_FOUND = 409, 404
_SAME_NAME = 100  # runs of one name that are looked through
_ALREADY_ENDED = "Row not found"  # said of a run that is to be ended

P = ParamSpec("P")
T = TypeVar("T")


class Refused(TidemillError):
    """The server understood and said no."""


def _asks(method: Callable[P, T]) -> Callable[P, T]:
    @wraps(method)
    def asking(*args: P.args, **kwargs: P.kwargs) -> T:
        import kfp_server_api
        import urllib3

        server = args[0]
        assert isinstance(server, KubeflowServer)
        try:
            return method(*args, **kwargs)
        except kfp_server_api.ApiException as error:
            said = _said(error)
            if error.status in (401, 403):
                raise Refused(
                    f"The Kubeflow Pipelines server {server.endpoint} lets nobody in so ({error.status}): {said}. "
                    "Give Tidemill's service account a role there, or a token (pipelines.kubeflow.tokenFile of the "
                    "Profile; of the chart, pipelines.kubeflow.tokenAudience)."
                ) from error
            if error.status < 500:
                raise Refused(f"The Kubeflow Pipelines server {server.endpoint} refused it: {said}.") from error
            raise TemporaryError(f"The Kubeflow Pipelines server {server.endpoint} failed: {said}.") from error
        except urllib3.exceptions.HTTPError as error:
            raise TemporaryError(
                f"The Kubeflow Pipelines server {server.endpoint} does not answer: {type(error).__name__}. Nothing was "
                "changed; the next tick asks again."
            ) from error

    return asking


class KubeflowServer:
    """`namespace` is the user's in a multi-user installation, else empty; `token_file` is read at each call, since
    projected tokens rotate."""

    def __init__(self, endpoint: str, namespace: str = "", token_file: Path | None = None) -> None:
        self.endpoint, self._namespace, self._token_file = endpoint.rstrip("/"), namespace, token_file
        self._opened: Any = None

    @property
    def _client(self) -> Any:
        import kfp_server_api

        if self._opened is None:
            configuration = kfp_server_api.Configuration(host=self.endpoint)
            configuration.retries = False
            self._opened = kfp_server_api.ApiClient(configuration)
        if self._token_file is not None:
            self._opened.default_headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        return self._opened

    @_asks
    def pipeline(self, name: str, description: str) -> str:
        """The id of the pipeline of that name; made where there is none."""
        from kfp_server_api import ApiException, PipelineServiceApi, V2beta1Pipeline

        api = PipelineServiceApi(self._client)
        wanted = V2beta1Pipeline(
            display_name=name, name=name, description=description, namespace=self._namespace or None
        )
        for _ in range(2):
            found = api.pipeline_service_list_pipelines(
                filter=_named(name), namespace=self._namespace or None, _request_timeout=_SECONDS
            )
            if found.pipelines:
                return str(found.pipelines[0].pipeline_id)
            try:
                made = api.pipeline_service_create_pipeline(pipeline=wanted, _request_timeout=_SECONDS)
                return str(made.pipeline_id)
            except ApiException as error:
                if error.status != _CONFLICT and "already exist" not in _said(error):
                    raise
        raise TemporaryError(f"Pipeline {name} at {self.endpoint} is there and is not: the next tick looks again.")

    @_asks
    def version(self, pipeline: str, name: str, text: str) -> str:
        """The id of the pipeline's version of that name; uploaded where there is none."""
        from kfp_server_api import ApiException, PipelineServiceApi, PipelineUploadServiceApi

        for _ in range(2):
            found = PipelineServiceApi(self._client).pipeline_service_list_pipeline_versions(
                pipeline, filter=_named(name), _request_timeout=_SECONDS
            )
            if found.pipeline_versions:
                return str(found.pipeline_versions[0].pipeline_version_id)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "pipeline.yaml"
                file.write_text(text)
                try:
                    made = PipelineUploadServiceApi(self._client).upload_pipeline_version(
                        str(file), name=name, pipelineid=pipeline, _request_timeout=_SECONDS
                    )
                    return str(made.pipeline_version_id)
                except ApiException as error:
                    if error.status != _CONFLICT and "already exist" not in _said(error):
                        raise
        raise TemporaryError(f"Version {name} at {self.endpoint} is there and is not: the next tick looks again.")

    @_asks
    def experiment(self, name: str) -> str:
        from kfp_server_api import ExperimentServiceApi, V2beta1Experiment

        api = ExperimentServiceApi(self._client)
        found = api.experiment_service_list_experiments(
            filter=_named(name), namespace=self._namespace or None, _request_timeout=_SECONDS
        )
        if found.experiments:
            return str(found.experiments[0].experiment_id)
        wanted = V2beta1Experiment(display_name=name, namespace=self._namespace or None)
        made = api.experiment_service_create_experiment(experiment=wanted, _request_timeout=_SECONDS)
        return str(made.experiment_id)

    @_asks
    def run(
        self,
        name: str,
        experiment: str,
        pipeline: str,
        version: str,
        parameters: Mapping[str, str],
        service_account: str,
    ) -> str:
        from kfp_server_api import (
            RunServiceApi,
            V2beta1PipelineVersionReference,
            V2beta1Run,
            V2beta1RuntimeConfig,
        )

        run = V2beta1Run(
            display_name=name,
            experiment_id=experiment,
            pipeline_version_reference=V2beta1PipelineVersionReference(
                pipeline_id=pipeline, pipeline_version_id=version
            ),
            runtime_config=V2beta1RuntimeConfig(parameters=dict(parameters)),
            service_account=service_account or None,
        )
        made = RunServiceApi(self._client).run_service_create_run(run=run, _request_timeout=_SECONDS)
        return str(made.run_id)

    @_asks
    def find_runs(self, name: str, request_uri: str = "") -> list[Any]:
        """The runs of that name, and of that request where one is given: other installations may use the same server,
        and the same names. The last one first."""
        from kfp_server_api import RunServiceApi

        found = RunServiceApi(self._client).run_service_list_runs(
            filter=_named(name), namespace=self._namespace or None, sort_by="created_at desc", page_size=_SAME_NAME,
            _request_timeout=_SECONDS,
        )  # fmt: skip
        return [run for run in found.runs or () if not request_uri or asked(run) in ("", request_uri)]

    @_asks
    def terminate(self, run: str) -> None:
        """Nothing where it has ended, or is gone."""
        from kfp_server_api import ApiException, RunServiceApi

        try:
            RunServiceApi(self._client).run_service_terminate_run(run, _request_timeout=_SECONDS)
        except ApiException as error:
            if error.status != _NOT_FOUND and _ALREADY_ENDED not in _said(error):
                raise


def asked(run: Any) -> str:
    """The request that a run was started with; empty where the server does not tell."""
    return str(((run.runtime_config and run.runtime_config.parameters) or {}).get("request_uri", ""))


def _named(name: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _said(error: Any) -> str:
    try:
        document = json.loads(error.body)
        return str(document.get("error_message") or document.get("message") or document).strip().rstrip(".")
    except (TypeError, ValueError):
        return str(error.reason)
