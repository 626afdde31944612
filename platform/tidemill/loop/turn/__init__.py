"""The use cases of a turn: what the training pipeline's components do, on frames, without Kubeflow or files."""
