"""Figures that have a bound, loops that come late, certificates, and lines that name their call."""

import ssl
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from dialtrace.cdr.model import LegFacts
from dialtrace.metrics import HUB_LAG_SECONDS, MOST_TRUNKS
from dialtrace.workers import call_figures, certificates
from dialtrace.workers.hub_lag import LOOK_EVERY_S, measure


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def leg(trunk: str | None) -> LegFacts:
    return LegFacts(
        id=uuid4(), call_id=uuid4(), call_started_at=datetime.now(UTC), outcome="answered", trunk=trunk, pdd_ms=120,
        talk_ms=3_000, mos=4.3,
    )  # fmt: skip


def test_given_more_trunks_than_have_a_label_when_counted_then_the_rest_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_figures, "_trunks", set())
    node = f"node-{uuid4()}"
    for index in range(MOST_TRUNKS + 10):
        call_figures.count_leg(node, leg(f"carrier-{index}"))
    call_figures.count_leg(node, leg("carrier-0"))
    call_figures.count_leg(node, leg(None))
    name = "dialtrace_legs_total"
    assert value(name, node=node, trunk="carrier-0", outcome="answered") == 2
    assert value(name, node=node, trunk="other", outcome="answered") == 10
    assert value(name, node=node, trunk="address", outcome="answered") == 1


def test_given_a_loop_that_comes_late_when_measured_then_by_how_much_is_known() -> None:
    times = iter([0.0, LOOK_EVERY_S + 0.3, 0.0])
    before = HUB_LAG_SECONDS._sum.get()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(sleep, lambda: next(times))
    assert HUB_LAG_SECONDS._sum.get() - before == pytest.approx(0.3)


def test_given_certificates_when_looked_at_then_their_end_is_known_or_that_they_are_not_trusted() -> None:
    ends_at = datetime(2027, 1, 1, tzinfo=UTC)

    def ask(host: str, _port: int) -> datetime:
        if host == "broken":
            raise ssl.SSLError("certificate has expired")
        if host == "away":
            raise ConnectionRefusedError
        return ends_at

    certificates.look([("well", 443), ("broken", 443), ("away", 443)], ask)
    ends, unread = "dialtrace_certificate_ends_timestamp_seconds", "dialtrace_certificate_unread"
    assert value(ends, host="well") == ends_at.timestamp()
    assert (value(unread, host="well"), value(unread, host="broken")) == (0, 1)
    assert REGISTRY.get_sample_value(ends, {"host": "away"}) is None


def test_given_no_host_over_tls_then_nobody_looks() -> None:
    assert certificates.watch_certificates([]) is None
