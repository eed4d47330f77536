"""Settings are checked whole; profiles tell their fields by the switch's names."""

from pathlib import Path
from typing import Any

import pytest

from dialtrace.node.errors import BadNodeConfig
from dialtrace.node.model import NodeConfig, Profile, Times

GOOD: dict[str, Any] = {
    "name": "node-1",
    "sip_host": "127.0.0.1",
    "sip_port": 5060,
    "event_socket_host": "127.0.0.1",
    "event_socket_port": 8021,
    "event_socket_password": "secret",
    "spool": Path("/spool"),
    "worker": "127.0.0.1:8040",
    "rtp_first": 40000,
    "rtp_last": 40999,
}


def test_given_good_settings_when_they_are_read_then_they_stand() -> None:
    assert NodeConfig(**GOOD).max_calls == 500


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", "two words"), ("sip_host", "0.0.0.0"), ("sip_port", 0), ("event_socket_port", 70000), ("rtp_first", 80),
     ("rtp_last", 40000), ("event_socket_password", ""), ("worker", "127.0.0.1"), ("worker", "host:port"),
     ("max_calls", 0)],
)  # fmt: skip
def test_given_a_setting_that_cannot_work_when_read_then_it_is_named(name: str, value: object) -> None:
    with pytest.raises(BadNodeConfig, match=name):
        NodeConfig(**(GOOD | {name: value}))


def test_given_several_faults_when_read_then_all_are_told_at_once() -> None:
    with pytest.raises(BadNodeConfig, match=r"sip_port.*max_calls"):
        NodeConfig(**(GOOD | {"sip_port": 0, "max_calls": -1}))


def test_given_a_profile_when_asked_for_a_field_then_names_are_the_switchs() -> None:
    profile = Profile("u", "inbound", "+7495", "Anna", "123", chan_name="sofia/x", times=Times(created=42))
    asked = ("uuid", "caller_id_number", "caller_id_name", "destination_number", "created_time", "chan_name", "nothing")
    assert [profile.field_text(name) for name in asked] == ["u", "+7495", "Anna", "123", "42", "sofia/x", None]
