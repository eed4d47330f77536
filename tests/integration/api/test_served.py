"""The API as it runs: Granian in a process of its own, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.db.tables import OPERATOR_AGENCY

from .records import bring_home, due_of, store_call, wav

#: Each worker of pytest-xdist has ports of its own.
FIRST_PORT = 25_000 + 10 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10)
PORTS = range(FIRST_PORT, FIRST_PORT + 10)


def free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Served:
    """Requests to a running API."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.token = token

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            sent["Authorization"] = f"Bearer {token or self.token}"
            if isinstance(body, dict):
                sent["Content-Type"] = "application/json"
                body = json.dumps(body)
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        finally:
            connection.close()

    def made(self, path: str, body: dict[str, Any], *, token: str | None = None) -> dict[str, Any]:
        status, _, answer = self.ask("POST", path, body, token=token)
        assert status == 201, answer
        found: dict[str, Any] = json.loads(answer)
        return found


def environment(database_url: str, folder: Path) -> dict[str, str]:
    (folder / "metrics").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIALTRACE_")}
    return kept | {
        "DIALTRACE_DATABASE_URL": database_url,
        "DIALTRACE_DATA_DIR": str(folder / "data"),
        "DIALTRACE_RECORDINGS_URL": str(folder / "objects"),
        "DIALTRACE_SECRET_KEY": "only for tests",
        "DIALTRACE_MASTER_KEYS": base64.b64encode(bytes(range(32))).decode(),
        # Joins the metrics of both processes.
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }


@pytest.fixture
def served(database_url: str, services: ApiServices, tmp_path: Path) -> Iterator[Served]:
    """Two processes, so that what holds in one and not between them shows."""
    port = free_port()
    arguments = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "2", "--blocking-threads", "4", "--no-ws", "--workers-kill-timeout", "2", "--log-level", "warning",
        "dialtrace.wsgi:create_app",
    ]  # fmt: skip
    log = (tmp_path / "granian.log").open("wb")
    process = subprocess.Popen(arguments, env=environment(database_url, tmp_path), stdout=log, stderr=log)
    try:
        token = services.tenancy.create_key(UUID(OPERATOR_AGENCY), role="operator", name="test")[1]
        found = Served(port, token)
        await_ready(found, process, tmp_path / "granian.log")
        yield found
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        log.close()


def await_ready(served: Served, process: subprocess.Popen[bytes], log: Path, within_s: float = 40) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if served.ask("GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError("the API did not become ready:\n" + log.read_text())


def test_given_a_running_api_when_a_partner_provisions_and_listens_then_all_of_it_works(
    served: Served, services: ApiServices, tmp_path: Path
) -> None:
    agency = served.made("/v1/agencies", {"name": "North"})
    token = served.made("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "k"})["token"]
    client = served.made("/v1/clients", {"name": "Bright Dental"}, token=token)
    call = store_call(services, agency["id"], client["id"], recorded=True)
    audio = wav(20)
    sha256 = bring_home(services, due_of(call, agency["id"], client["id"]), tmp_path / "spool", audio)
    path = f"/v1/calls/{call}/recording"

    status, headers, body = served.ask("GET", path, token=token)
    assert (status, hashlib.sha256(body).hexdigest(), headers["etag"]) == (200, sha256, f'"{sha256}"')
    assert (headers["content-type"], headers["content-length"]) == ("audio/wav", str(len(audio)))
    status, headers, body = served.ask("GET", path, token=token, Range="bytes=1000-1999")
    assert (status, body == audio[1000:2000]) == (206, True)
    assert headers["content-range"] == f"bytes 1000-1999/{len(audio)}"
    status, headers, body = served.ask("HEAD", path, token=token)
    assert (status, body, headers["content-length"]) == (200, b"", str(len(audio)))
    page = json.loads(served.ask("GET", "/v1/calls", token=token)[2])
    assert [(row["id"], row["recording"]) for row in page["data"]] == [(str(call), "stored")]
    assert served.ask("GET", "/v1/reference")[0] == served.ask("GET", "/v1/openapi.json")[0] == 200
    assert b"dialtrace_http_requests_total" in served.ask("GET", "/metrics")[2]


def test_given_a_cursor_from_one_process_when_used_in_another_then_it_holds(served: Served) -> None:
    for index in range(6):
        served.made("/v1/agencies", {"name": f"Agency {index}"})
    seen, query = [], ""
    for _ in range(20):
        page = json.loads(served.ask("GET", "/v1/agencies?limit=1" + query)[2])
        seen += [row["name"] for row in page["data"]]
        if not page["has_more"]:
            break
        query = "&cursor=" + page["next_cursor"]
    assert [name for name in seen if name.startswith("Agency")] == [f"Agency {index}" for index in range(6)]


def test_given_two_processes_when_one_is_asked_for_metrics_then_it_tells_of_both(served: Served) -> None:
    for _ in range(24):
        assert served.ask("GET", "/healthz")[0] == 200
    page = served.ask("GET", "/metrics")[2].decode()
    assert 'dialtrace_http_requests_total{method="GET",route="/healthz",status="200"} 24.0' in page


def test_given_one_key_sent_to_all_processes_at_once_then_it_is_done_once(served: Served) -> None:
    def send(_: int) -> tuple[int, bytes]:
        status, _, body = served.ask("POST", "/v1/agencies", {"name": "Race"}, Idempotency_Key="race-1")
        return status, body

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert {status for status, _ in answers} <= {201, 409}
    assert len({body for status, body in answers if status == 201}) == 1
    rows = json.loads(served.ask("GET", "/v1/agencies?limit=200")[2])["data"]
    assert [row["name"] for row in rows].count("Race") == 1


def test_given_a_body_without_a_length_when_too_large_or_fine_then_it_is_bounded(served: Served) -> None:
    """Chunked: nothing says beforehand how much will come."""

    def chunks(count: int) -> Iterator[bytes]:
        yield b'{"name": "'
        for _ in range(count):
            yield b"x" * 65_536
        yield b'"}'

    status, _, body = served.ask("POST", "/v1/agencies", chunks(40), Content_Type="application/json")
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")
    status, _, body = served.ask(
        "POST", "/v1/agencies", iter([b'{"name":', b'"Chunks"}']), Content_Type="application/json"
    )
    assert (status, json.loads(body)["name"]) == (201, "Chunks")


def test_given_no_secret_key_when_started_then_it_says_what_is_missing(database_url: str, tmp_path: Path) -> None:
    without = environment(database_url, tmp_path) | {"DIALTRACE_SECRET_KEY": ""}
    code = "from dialtrace.wsgi import create_app; create_app()"
    ended = subprocess.run([sys.executable, "-c", code], env=without, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "DIALTRACE_SECRET_KEY" in ended.stderr
