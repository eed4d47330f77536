"""What watches the platform: Prometheus' rules, their tests, Alertmanager's routing, Grafana's dashboards."""
