"""Two API processes, one free number: it is never given to two visits."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, text

from .conftest import Tenant

#: On a machine that does much else besides.
START_TIMEOUT_S = 180.0


@pytest.fixture
def processes(database_url: str, tmp_path: Path) -> Iterator[list[str]]:
    """Addresses of two API servers on the test's database."""
    with ExitStack() as running:
        addresses = [running.enter_context(api_process(database_url, tmp_path, index)) for index in range(2)]
        for address in addresses:
            until_s = time.monotonic() + START_TIMEOUT_S
            while not is_up(address):
                told = "".join(path.read_text(errors="replace") for path in tmp_path.glob("api-*.log"))
                assert time.monotonic() < until_s, told
                time.sleep(0.2)
        yield addresses


@contextmanager
def api_process(database_url: str, folder: Path, index: int) -> Iterator[str]:
    """One API server, which may still be starting."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "DIALTRACE_DATABASE_URL": database_url, "DIALTRACE_SECRET_KEY": "only for tests " * 3,
        "DIALTRACE_DATA_DIR": str(folder), "DIALTRACE_MASTER_KEYS": "A" * 43, "DIALTRACE_LOG_LEVEL": "warning",
        "DIALTRACE_API_LISTEN": f"127.0.0.1:{port}",
    }  # fmt: skip
    with (folder / f"api-{index}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "dialtrace", "api"], env=environment, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2):
            return True
    except OSError:
        return False


def lease(address: str, token: str, pool_id: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address}/v1/pools/{pool_id}/leases",
        data=b"{}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


@pytest.mark.parametrize("rounds", [60, pytest.param(1_000, marks=pytest.mark.slow)])
def test_given_two_processes_that_ask_at_once_for_the_last_number_then_only_one_visit_has_it_alone(
    processes: list[str], tenant: Tenant, owner_engine: Engine, rounds: int
) -> None:
    key = tenant.agency_key
    pool = key.made("/v1/pools", {"client_id": tenant.client["id"], "name": "One"})
    number = key.made("/v1/numbers", {"client_id": tenant.client["id"], "number": "+442079479999", "kind": "dynamic"})
    key.post(f"/v1/pools/{pool['id']}/numbers/add", {"number_ids": [number["id"]]})
    assert key.token is not None
    start = Barrier(2)

    def ask(address: str) -> dict[str, Any]:
        start.wait(timeout=30)
        return lease(address, str(key.token), pool["id"])

    with ThreadPoolExecutor(2) as threads, owner_engine.connect() as connection:
        for _ in range(rounds):
            got = list(threads.map(ask, processes))
            assert sorted(one["rung"] for one in got) == ["exclusive", "shared"]
            connection.execute(text("UPDATE pool_numbers SET free_from = now(), shared_until = NULL"))
            connection.commit()
