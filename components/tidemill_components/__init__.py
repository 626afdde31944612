"""Kubeflow components: thin shells around `tidemill.loop.turn`, one a file.

Lightweight Python components: their bodies import what they call, so that they run in the image `IMAGE` on a cluster
and in a plain subprocess on a laptop.
"""

IMAGE = "tidemill/components:0.1.0"
