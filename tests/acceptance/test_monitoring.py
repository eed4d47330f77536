"""A platform under calls with Prometheus reading it: every panel of every dashboard has data, and no alert fires."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dialtrace.demo.run import perform
from dialtrace.demo.stage import DemoOptions, running_platform, running_targets
from dialtrace.launch import answers_http, free_port
from dialtrace.monitoring.dashboards import DASHBOARDS
from dialtrace.scraping import prometheus_spec, scrape_targets, write_targets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"),
]


def ask(address: str, query: str) -> list[dict[str, Any]]:
    url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(url, timeout=10) as answer:
        told = json.load(answer)
    assert told["status"] == "success", told
    return list(told["data"]["result"])


@pytest.mark.timeout(300)
def test_given_calls_when_prometheus_reads_the_platform_then_every_panel_has_data_and_nobody_is_paged(
    tmp_path: Path,
) -> None:
    first, address = free_port(), f"127.0.0.1:{free_port()}"
    more = {"DIALTRACE_METRICS_LISTEN": f"127.0.0.1:{first}"}
    options = DemoOptions(calls=60, rate=3, nodes=1, seed=4)
    with running_platform(options, more_settings=more) as demo, running_targets(demo.folder / "sipp") as targets:
        specs = [spec for group in demo.plan.groups for spec in group]
        listed = write_targets(tmp_path, scrape_targets(specs, api_url=demo.plan.api_url, own=None))
        host, port = address.split(":")
        spec = prometheus_spec(tmp_path, listed, (host, int(port)))
        quick = tmp_path / "prometheus/prometheus.yml"
        quick.write_text(quick.read_text().replace("_interval: 5s", "_interval: 1s").replace("l: 15s", "l: 2s"))
        process = subprocess.Popen(list(spec.argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not answers_http(f"http://{address}/-/ready"):
                time.sleep(0.2)
            done = perform(demo, targets, Console(quiet=True))
            time.sleep(25)  # rate() needs two samples, recording rules a turn more.
            empty = [
                f"{board.title} / {panel.title}: {query}"
                for board in DASHBOARDS
                for panel in board.panels
                for query in panel.queries.values()
                if not ask(address, query.replace("$node", ".*"))
            ]
            paged = [found["metric"] for found in ask(address, 'ALERTS{alertstate="firing",severity="page"}')]
        finally:
            process.terminate()
            process.wait(10)
    assert [line.what for line in done.lines if not line.balances] == []
    assert "\n".join(empty) == ""
    assert paged == []
