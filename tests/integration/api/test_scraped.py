"""A real Prometheus with monitoring/prometheus.yml, told by the API what to read: it reads it, keys and all."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from dialtrace.api.app import ApiServices
from dialtrace.launch import answers_http, free_port
from dialtrace.scraping import prometheus_spec
from dialtrace.services.alerts import build_alerts
from dialtrace.watching.errors import PrometheusAway
from dialtrace.watching.model import Target

from .conftest import Asker, Tenant, serving
from .records import START, store_call

WITHIN_S = 40.0


def ask(prometheus: str, query: str) -> list[dict[str, Any]]:
    url = f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(url, timeout=10) as answer:
        return list(json.load(answer)["data"]["result"])


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)")
def test_given_the_configuration_when_prometheus_runs_then_it_reads_processes_and_agencies_as_the_api_tells_it(
    services: ApiServices, app: APIFlask, tenant: Tenant, operator: Asker, tmp_path: Path
) -> None:
    lately = (datetime.now(UTC) - START) // timedelta(minutes=1) - 2
    store_call(services, tenant.agency["id"], tenant.client["id"], minute=lately)
    key_file = tmp_path / "operator-key"
    key_file.write_text(f"{operator.token}\n")
    listen = ("127.0.0.1", free_port())
    prometheus = f"http://{listen[0]}:{listen[1]}"
    with serving(app) as port:
        watch = services.noc.watch
        away = f"127.0.0.1:{free_port()}"
        watch.note_targets("here", [Target("api", "api", f"127.0.0.1:{port}"), Target("agent", "agent", away)])
        spec = prometheus_spec(tmp_path, api_url=f"http://127.0.0.1:{port}", key_file=key_file, listen=listen)
        file = tmp_path / "prometheus/prometheus.yml"
        text = file.read_text()
        for given in ("5s", "10s", "15s", "30s"):
            text = text.replace(f"_interval: {given}\n", "_interval: 1s\n")
        file.write_text(text)
        log = (tmp_path / "prometheus.log").open("wb")
        process = subprocess.Popen(list(spec.argv), stdout=log, stderr=log)
        try:
            until_s = time.monotonic() + WITHIN_S
            while time.monotonic() < until_s:
                if answers_http(f"{prometheus}/-/ready"):
                    up = {one["metric"]["process"]: one["value"][1] for one in ask(prometheus, 'up{job="dialtrace"}')}
                    recent = ask(prometheus, 'dialtrace_agency_calls_recent{outcome="answered"}')
                    if set(up) == {"api", "agent"} and up["api"] == "1" and recent:
                        break
                time.sleep(0.2)
            else:
                pytest.fail((tmp_path / "prometheus.log").read_text()[-3000:])
            assert up == {"api": "1", "agent": "0"}
            assert [(one["metric"]["agency"], one["value"][1]) for one in recent] == [("North", "1")]
            counted = ask(prometheus, 'dialtrace_http_requests_total{route="/v1/scrape-targets"}')
            assert counted[0]["metric"]["role"] == "api"
            read = build_alerts(prometheus)
            assert read is not None
            # A minute has to pass before anybody is told of the agent: what can be read is that nothing fires yet.
            assert [one for one in read() if one["name"] != "ProcessIsAway"] == []
        finally:
            process.terminate()
            process.wait(10)
            log.close()
        with pytest.raises(PrometheusAway):
            read()


def test_given_no_prometheus_then_nobody_is_asked() -> None:
    assert build_alerts("") is None
