"""The cluster's own API: objects, watches, rights, and serving by plain Deployments."""
