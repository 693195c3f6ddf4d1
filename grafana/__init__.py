"""Grafana dashboards and alert rules as code; `script/generate grafana` writes the files from here."""
