"""Traces: off, nothing is loaded; on, spans of one call are one trace, told to a collector that is really there."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID, uuid4

import pytest

from dialtrace import tracing

BODIES: list[bytes] = []


class Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        BODIES.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    BODIES.clear()
    monkeypatch.setattr(tracing, "_tracer", None)
    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_given_no_collector_when_spans_are_made_then_nothing_of_the_library_is_loaded() -> None:
    program = (
        "import sys; from dialtrace.tracing import begin_tracing, span, told\n"
        "begin_tracing('', 'worker')\n"
        "with span('answer', 'x'): told('y', 0)\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_given_two_parts_of_a_call_when_traced_then_both_are_in_the_trace_of_its_id(
    collector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    endings: list = []
    monkeypatch.setattr(tracing.atexit, "register", endings.append)
    tracing.begin_tracing(collector, "worker")
    call = uuid4()
    with tracing.span("answer the switch", str(call), ring=1):
        pass
    tracing.told("store the record", 1, str(call))
    tracing.told("GET /v1/calls", 1)
    with pytest.raises(KeyError), tracing.span("no call of ours", "not-a-uuid"):
        raise KeyError
    endings[-1]()
    spans = [
        span
        for body in BODIES
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    of_call = [span.name for span in spans if UUID(bytes=span.trace_id) == call]
    assert of_call == ["answer the switch", "store the record"]
    assert len(spans) == 4
