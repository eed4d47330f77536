"""Prometheus beside `dialtrace up` or a demonstration: its configuration, and the process itself. What it reads it asks
of the API (`GET /v1/scrape-targets`); a list as a file is there as well, for a Prometheus that reads files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from .errors import DialtraceError
from .launch import answers_http
from .supervisor import ChildSpec

FOLDER, TARGETS, CONFIGURATION = "prometheus", "targets.json", "prometheus.yml"


class PrometheusMissing(DialtraceError):
    """Debian's prometheus is not installed."""


def scrape_targets(specs: Iterable[ChildSpec], *, api_url: str, own: tuple[str, int] | None) -> list[dict[str, object]]:
    """Every process that serves metrics, in the form of `file_sd_configs`. ``own``: the supervisor's address."""
    found = [("up", "up", f"{own[0]}:{own[1]}")] if own else []
    for spec in specs:
        address = spec.environment.get("DIALTRACE_METRICS_LISTEN", "")
        if spec.kind == "api":
            address = urlsplit(api_url).netloc
        if address:
            found.append((spec.name, spec.kind, address))
    return [{"targets": [address], "labels": {"process": name, "kind": kind}} for name, kind, address in found]


def write_targets(data_dir: Path, targets: list[dict[str, object]]) -> Path:
    """The list, replaced whole; returns its path."""
    path = data_dir / FOLDER / TARGETS
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(targets, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path


def prometheus_spec(data_dir: Path, *, api_url: str, key_file: Path, listen: tuple[str, int]) -> ChildSpec:
    """Debian's prometheus with our rules, asking the API at ``api_url`` with the key in ``key_file`` what to read.
    Raises PrometheusMissing."""
    binary = shutil.which("prometheus")
    if binary is None:
        raise PrometheusMissing(
            "Debian's prometheus is not installed: apt-get install prometheus, or leave --prometheus"
        )
    folder = data_dir / FOLDER
    rules = Path(str(files("dialtrace.monitoring").joinpath("rules")))
    text = files("dialtrace.monitoring").joinpath("prometheus.yml").read_text(encoding="utf-8")
    configuration = folder / CONFIGURATION
    folder.mkdir(parents=True, exist_ok=True)
    for word, value in (("@RULES@", rules), ("@API@", api_url), ("@KEY@", key_file.absolute())):
        text = text.replace(word, str(value))
    configuration.write_text(text, encoding="utf-8")
    host, port = listen
    return ChildSpec(
        name="prometheus",
        kind="prometheus",
        argv=[
            binary,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=15d",
            # From a picture to the call: the agent's and the workers' histograms name one now and then.
            "--enable-feature=exemplar-storage",
            f"--web.listen-address={host}:{port}",
        ],
        ready=lambda: answers_http(f"http://{host}:{port}/-/ready"),
    )
