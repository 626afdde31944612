"""The HTTP API, the inbox of events and alerts, and /metrics, over the state store. Needs neither pandas nor MLflow."""
