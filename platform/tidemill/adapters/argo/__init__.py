"""The compiled Kubeflow pipeline as an Argo Workflow, for clusters that have Argo and no Kubeflow API server.

`translate` is the whole of it: IR in, Workflow out, nothing asked of a cluster. What a step does once its container
runs is `tidemill_components.launch`.
"""
