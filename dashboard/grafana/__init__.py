"""The three Grafana dashboards: their source, and the JSON that `python -m dashboard.grafana` writes from it."""
