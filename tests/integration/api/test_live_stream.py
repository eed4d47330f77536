"""The stream as a process of its own: keys, isolation, caps, changes, a slow reader, an orderly end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices
from dialtrace.launch import free_port, is_listening

from .conftest import Tenant
from .records import put_live_call

PATH = "/v1/calls/live/stream"
#: Of each key and in all; see `served`.
EACH, ALL = 3, 5


class Stream:
    """One connection, read by hand: what matters is what comes when."""

    def __init__(self, port: int, token: str | None, path: str = PATH) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=10)
        key = f"Authorization: Bearer {token}\r\n" if token else ""
        self.line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{key}\r\n".encode())
        self.file = self.line.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (header := self.file.readline().strip()) != b"":
            name, _, value = header.decode().partition(": ")
            self.headers[name.lower()] = value
        self.coming = self.messages()

    def body(self) -> dict[str, Any]:
        return json.loads(self.file.read(int(self.headers["content-length"])))  # type: ignore[no-any-return]

    def messages(self) -> Iterator[tuple[str, str]]:
        """Events and their data, a chunk of the answer after the other."""
        while (size := int(self.file.readline(), 16)) > 0:
            chunk = self.file.read(size).decode()
            self.file.readline()
            for one in chunk.split("\n\n"):
                kind, _, data = one.partition("\n")
                yield kind.removeprefix("event: "), data.removeprefix("data: ")

    def next(self, *events: str) -> tuple[str, Any]:
        """The next message of one of these kinds."""
        for event, data in self.coming:
            if event in events:
                return event, json.loads(data)
        raise AssertionError("the stream has ended")

    def close(self) -> None:
        self.file.close()
        self.line.close()


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DIALTRACE_")},
        "DIALTRACE_DATA_DIR": str(tmp_path),
        "DIALTRACE_DATABASE_URL": database_url.replace("postgresql+psycopg2", "postgresql"),
        "DIALTRACE_LIVE_LISTEN": f"127.0.0.1:{port}",
        "DIALTRACE_LIVE_LISTENERS": str(ALL),
        "DIALTRACE_LIVE_LISTENERS_PER_KEY": str(EACH),
    }
    process = subprocess.Popen([sys.executable, "-m", "dialtrace", "live"], env=environment, cwd="/")
    until_s = time.monotonic() + 60
    while not is_listening(("127.0.0.1", port)):
        assert process.poll() is None
        assert time.monotonic() < until_s
        time.sleep(0.1)
    yield port, process
    process.kill()
    process.wait(timeout=10)


@pytest.fixture
def open_stream(served: tuple[int, subprocess.Popen[bytes]]) -> Iterator[Callable[..., Stream]]:
    made: list[Stream] = []

    def make(token: str | None, path: str = PATH) -> Stream:
        made.append(Stream(served[0], token, path))
        return made[-1]

    yield make
    for one in made:
        one.close()


def put(services: ApiServices, tenant: Tenant, client: dict[str, Any], call_id: Any, **more: Any) -> None:
    put_live_call(services, tenant.agency["id"], client["id"], call_id, **more)


def test_given_a_listener_then_it_hears_what_stands_what_changes_and_what_is_gone_and_nothing_of_others(
    services: ApiServices,
    make_tenant: Callable[[str], Tenant],
    open_stream: Callable[..., Stream],
    owner_engine: Engine,
) -> None:
    tenant, stranger = make_tenant("Own"), make_tenant("Stranger")
    first, second, siblings, foreign = (uuid4() for _ in range(4))
    put(services, tenant, tenant.client, first)
    put(services, stranger, stranger.client, foreign)
    agency, client = open_stream(tenant.agency_key.token), open_stream(tenant.client_key.token)
    assert client.headers["content-type"].startswith("text/event-stream")
    for stream in (agency, client):
        _, data = stream.next("snapshot")
        assert [call["id"] for call in data["calls"]] == [str(first)]
    put(services, tenant, tenant.sibling, siblings)
    put(services, tenant, tenant.client, second)
    assert {agency.next("call")[1]["id"], agency.next("call")[1]["id"]} == {str(siblings), str(second)}
    assert client.next("call")[1]["id"] == str(second)
    with owner_engine.begin() as connection:
        connection.execute(text("DELETE FROM live_calls WHERE call_id IN (:a, :b)"), {"a": siblings, "b": first})
    assert client.next("call", "gone") == ("gone", {"id": str(first)})


def test_given_wrong_keys_and_somebody_elses_ids_then_there_is_no_stream(
    make_tenant: Callable[[str], Tenant], open_stream: Callable[..., Stream], operator: Any
) -> None:
    tenant, stranger = make_tenant("Own"), make_tenant("Stranger")
    own, agency, client = tenant.agency_key.token, stranger.agency["id"], stranger.client["id"]
    cases = {
        (None, PATH): (401, "credential_missing"),
        ("nonsense", PATH): (401, "credential_invalid"),
        (own, f"{PATH}?agency_id={agency}"): (404, "not_found"),
        (own, f"{PATH}?client_id={client}"): (404, "not_found"),
        (tenant.client_key.token, f"{PATH}?client_id={tenant.sibling['id']}"): (404, "not_found"),
        (own, f"{PATH}?client_id=all"): (422, "validation_failed"),
        (own, f"{PATH}?state=answered"): (422, "validation_failed"),
        (own, "/v1/calls"): (404, "not_found"),
    }
    for (token, path), (status, code) in cases.items():
        refused = open_stream(token, path)
        assert (refused.status, refused.body()["code"]) == (status, code), path
    assert open_stream(operator.token, f"{PATH}?agency_id={agency}&client_id={client}").status == 200


def test_given_as_many_listeners_as_may_be_then_the_next_is_refused_until_one_has_gone(
    make_tenant: Callable[[str], Tenant], open_stream: Callable[..., Stream]
) -> None:
    tenant = make_tenant("Own")
    mine = [open_stream(tenant.agency_key.token) for _ in range(EACH)]
    too_many = open_stream(tenant.agency_key.token)
    assert (too_many.status, too_many.headers["retry-after"], too_many.body()["code"]) == (
        429, "30", "too_many_listeners",
    )  # fmt: skip
    for _ in range(ALL - EACH):
        assert open_stream(tenant.client_key.token).status == 200
    assert open_stream(tenant.sibling_key.token).status == 429
    mine[0].close()
    until_s = time.monotonic() + 25  # the next heartbeats find that nobody is there
    while (status := open_stream(tenant.sibling_key.token).status) != 200 and time.monotonic() < until_s:
        time.sleep(1.0)
    assert status == 200


def test_given_a_reader_that_reads_nothing_then_the_others_hear_on(
    services: ApiServices, make_tenant: Callable[[str], Tenant], open_stream: Callable[..., Stream]
) -> None:
    tenant = make_tenant("Own")
    open_stream(tenant.agency_key.token)  # never read from here on
    reader = open_stream(tenant.agency_key.token)
    reader.next("snapshot")
    for _ in range(3):
        calls = [uuid4() for _ in range(5)]
        for call_id in calls:
            put(services, tenant, tenant.client, call_id)
        assert {reader.next("call")[1]["id"] for _ in calls} == {str(call_id) for call_id in calls}


def test_given_a_stop_then_listeners_are_told_goodbye_and_the_process_ends(
    make_tenant: Callable[[str], Tenant],
    open_stream: Callable[..., Stream],
    served: tuple[int, subprocess.Popen[bytes]],
) -> None:
    tenant = make_tenant("Own")
    stream = open_stream(tenant.agency_key.token)
    stream.next("snapshot")
    served[1].send_signal(signal.SIGTERM)
    assert stream.next("bye") == ("bye", {})
    assert served[1].wait(timeout=20) == 0
