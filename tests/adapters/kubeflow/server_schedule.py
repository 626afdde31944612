"""A recurring run of the server's, as a person sets one up in the dashboard: it has no part in what the loop does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tidemill.adapters.kubeflow.server import KubeflowServer

PATIENCE = 600


@contextmanager
def scheduled(
    server: KubeflowServer, name: str, experiment: str, pipeline: str, version: str, parameters: Mapping[str, str]
) -> Iterator[str]:
    """The first run of the schedule, ended well. It goes with the schedule, and its Pods with it."""
    from kfp_server_api import (
        RecurringRunServiceApi,
        V2beta1CronSchedule,
        V2beta1PipelineVersionReference,
        V2beta1RecurringRun,
        V2beta1RuntimeConfig,
        V2beta1Trigger,
    )

    schedules = RecurringRunServiceApi(server._client)
    made = schedules.recurring_run_service_create_recurring_run(
        recurring_run=V2beta1RecurringRun(
            display_name=name,
            experiment_id=experiment,
            pipeline_version_reference=V2beta1PipelineVersionReference(
                pipeline_id=pipeline, pipeline_version_id=version
            ),
            runtime_config=V2beta1RuntimeConfig(parameters=dict(parameters)),
            trigger=V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron="* * * * * *")),
            max_concurrency="1",
            mode="ENABLE",
        )
    )
    try:
        run = _until(lambda: _run_of(server, made.recurring_run_id))
        schedules.recurring_run_service_disable_recurring_run(made.recurring_run_id)
        assert _until(lambda: _ended(server, run)) == "SUCCEEDED"
        yield run
    finally:
        schedules.recurring_run_service_delete_recurring_run(made.recurring_run_id)


def _run_of(server: KubeflowServer, schedule: str) -> str | None:
    from kfp_server_api import RunServiceApi

    found = RunServiceApi(server._client).run_service_list_runs(page_size=50, sort_by="created_at desc")
    return next((str(run.run_id) for run in found.runs or [] if run.recurring_run_id == schedule), None)


def _ended(server: KubeflowServer, run: str) -> str | None:
    from kfp_server_api import RunServiceApi

    state = RunServiceApi(server._client).run_service_get_run(run).state
    return str(state) if state in ("SUCCEEDED", "FAILED", "CANCELED") else None


def _until(found: Callable[[], str | None]) -> str:
    end = time.monotonic() + PATIENCE
    while (answer := found()) is None:
        assert time.monotonic() < end, "it never came to be"
        time.sleep(1)
    return answer
