"""A platform under calls with Prometheus reading it: every panel of every dashboard has data, and no alert fires."""

import json
import os
import re
import shutil
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dialtrace.apiclient import ApiClient
from dialtrace.demo import stage
from dialtrace.demo.run import perform
from dialtrace.demo.stage import DemoOptions, running_platform, running_targets
from dialtrace.launch import free_port
from dialtrace.monitoring import pictures
from dialtrace.monitoring.dashboards import DASHBOARDS
from dialtrace.scraping import prometheus_spec
from dialtrace.supervisor import ChildSpec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"),
]


FREESWITCH = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")


def ask(address: str, query: str) -> list[dict[str, Any]]:
    url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(url, timeout=10) as answer:
        told = json.load(answer)
    assert told["status"] == "success", told
    return list(told["data"]["result"])


def quick(spec: ChildSpec) -> ChildSpec:
    """Reads every second, so that a short demonstration is enough."""
    file = Path(spec.argv[1].removeprefix("--config.file="))
    text = file.read_text()
    for interval in ("5s", "15s", "10s", "30s"):
        text = text.replace(f"_interval: {interval}\n", f"_interval: {'2s' if interval == '15s' else '1s'}\n")
    file.write_text(text)
    return spec


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "switch",
    [
        "embedded",
        pytest.param(
            "freeswitch",
            marks=[
                pytest.mark.freeswitch,
                pytest.mark.skipif(
                    FREESWITCH is None, reason="no FreeSWITCH: set FREESWITCH_BIN, or put freeswitch on PATH"
                ),
            ],
        ),
    ],
)
def test_given_calls_when_prometheus_reads_the_platform_then_every_panel_has_data_and_nobody_is_paged(
    switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform itself tells Prometheus what to read (HTTP service discovery)."""
    listen = ("127.0.0.1", free_port())
    address = f"{listen[0]}:{listen[1]}"
    monkeypatch.setattr(stage, "prometheus_spec", lambda *given, **named: quick(prometheus_spec(*given, **named)))
    binary = Path(FREESWITCH) if FREESWITCH and switch == "freeswitch" else None
    options = DemoOptions(calls=60, rate=3, nodes=1, seed=4, prometheus=listen, freeswitch=binary)
    with running_platform(options) as demo, running_targets(demo.folder / "sipp") as targets:
        done = perform(demo, targets, Console(quiet=True))
        wanted = {
            "up",
            "agent",
            "monitor",
            "worker",
            "api",
            "live",
            "jobs",
            "pools",
            "webhooks",
            "hooks",
            "integrations",
        }
        until_s = time.monotonic() + 60
        while True:
            empty = [
                f"{board.title} / {panel.title}: {query}"
                for board in DASHBOARDS
                for panel in board.panels
                for query in panel.queries.values()
                if not ask(address, re.sub(r"\$(node|trunk|agency)", ".*", query))
            ]
            read = {found["metric"]["role"] for found in ask(address, 'up{job="dialtrace"} == 1')}
            if (not empty and wanted <= read) or time.monotonic() > until_s:
                break
            demo.supervisor.tend()
            time.sleep(1)
        paged = [found["metric"] for found in ask(address, 'ALERTS{alertstate="firing",severity="page"}')]
        assert pictures.main([f"http://{address}", str(tmp_path), "--minutes", "2"]) == 0
        seen = ApiClient(demo.plan.api_url, demo.plan.operator_token).get("/v1/noc")
    assert [line.what for line in done.lines if not line.balances] == []
    assert "\n".join(empty) == ""
    assert wanted <= read
    assert paged == []
    assert {path.stem for path in tmp_path.glob("*.svg")} == {board.uid for board in DASHBOARDS}
    assert (seen["missing"], seen["knows_alerts"]) == ({}, True)
    assert sum(span["calls_per_s"] for span in seen["day"]) > 0
