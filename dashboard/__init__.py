"""What people look at: the web page, and the sources of the Grafana dashboards. Reads everything, decides nothing."""
