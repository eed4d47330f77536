"""Prometheus beside `dialtrace up` or a demonstration: its configuration, and the process itself. What it reads it asks
of the API (`GET /v1/scrape-targets`).
"""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

from .errors import DialtraceError
from .launch import answers_http
from .supervisor import ChildSpec

FOLDER, CONFIGURATION = "prometheus", "prometheus.yml"


class PrometheusMissing(DialtraceError):
    """Debian's prometheus is not installed."""


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
