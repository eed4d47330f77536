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

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
REAL = "+442079460000"
#: Two servers start on a machine that does much else besides, and then a thousand rounds are played.
pytestmark = pytest.mark.timeout(600)
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
        "DIALTRACE_API_LISTEN": f"127.0.0.1:{port}", "DIALTRACE_VISITS_PER_MINUTE": "0",
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


def visit(address: str, token: str) -> dict[str, Any]:
    """What a page of a visitor whom nobody knows is told."""
    request = urllib.request.Request(
        f"{address}/t/{token}/visit",
        data=json.dumps({"page": "https://shop.example/", "consent": "given"}).encode(),
        headers={"Origin": "https://shop.example", "User-Agent": BROWSER, "Content-Type": "text/plain"},
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


@pytest.mark.parametrize("rounds", [15, pytest.param(250, marks=pytest.mark.slow)])
def test_given_pages_that_ask_two_processes_at_once_for_the_last_numbers_then_each_is_shown_to_one_visit(
    processes: list[str], tenant: Tenant, owner_engine: Engine, rounds: int
) -> None:
    """Eight pages, three numbers: with four of them at a time in each process, visits are given theirs together."""
    key = tenant.agency_key
    client = tenant.client["id"]
    pool = key.made("/v1/pools", {"client_id": client, "name": "Three", "shares": False})
    numbers = [
        key.made("/v1/numbers", {"client_id": client, "number": f"+44207947990{digit}", "kind": "dynamic"})["id"]
        for digit in range(3)
    ]
    key.post(f"/v1/pools/{pool['id']}/numbers/add", {"number_ids": numbers})
    site = key.made("/v1/sites", {"client_id": client, "name": "Shop", "domains": ["shop.example"]})
    rules = {"places": [{"name": "header", "numbers": [REAL]}], "rules": [{"show": {"pool_id": pool["id"]}}]}
    assert key.ask("PUT", f"/v1/sites/{site['id']}/rules/draft", {"rules": rules}).status_code == 200
    assert key.post(f"/v1/sites/{site['id']}/rules/publish", None).status_code == 200
    start = Barrier(8)

    def ask(page: int) -> str | None:
        start.wait(timeout=60)
        (place,) = visit(processes[page % 2], site["token"])["places"]
        shown: list[str | None] = [one["number"] for one in place["shows"]]
        return shown[0] if shown else None

    with ThreadPoolExecutor(8) as threads, owner_engine.connect() as connection:
        for _ in range(rounds):
            shown = [number for number in threads.map(ask, range(8)) if number is not None]
            assert len(set(shown)) == len(shown) == 3
            connection.execute(text("UPDATE pool_numbers SET free_from = now() - interval '1 s'"))
            connection.commit()
