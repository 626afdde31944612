"""Kubeflow pipelines composed of Tidemill's components. Beside each stands what it compiles to."""
