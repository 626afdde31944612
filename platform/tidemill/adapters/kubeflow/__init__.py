"""Kubeflow Pipelines: a turn as a run of a Kubeflow Pipelines server, release 2.0 or newer."""
