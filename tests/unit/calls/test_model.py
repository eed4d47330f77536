"""Addresses of targets: a whitelist, since they become part of a dial string."""

import pytest

from dialtrace.calls.model import Address, Telephone, parse_address, parse_place, target_faults


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("sip:1000@10.0.0.5", "1000@10.0.0.5"),
        ("sip:1000@10.0.0.5:5070", "1000@10.0.0.5:5070"),
        ("sip:+74955550101@sip.example.com", "+74955550101@sip.example.com"),
        ("sip:front_desk.main-1@pbx:5060", "front_desk.main-1@pbx:5060"),
    ],
)
def test_given_a_plain_sip_uri_then_its_destination_is_what_a_dial_string_holds(text, destination):
    assert parse_address(text).destination == destination


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1000@10.0.0.5",
        "sips:1000@10.0.0.5",
        "sip:10.0.0.5",
        "sip:1000@10.0.0.256",
        "sip:1000@10.0.5",
        "sip:1000@01.2.3.4",
        "sip:1000@-bad.example",
        "sip:1000@bad..example",
        "sip:1000@host_name",
        "sip:1000@host:0",
        "sip:1000@host:65536",
        "sip:1000@host:5060;transport=tcp",
        "sip:a,b@host",
        "sip:a|sofia/external/b@host",
        "sip:a@host,sofia/external/b@evil",
        "sip:${x}@host",
        "sip:a@[::1]",
        "sip:a@host\n",
        "sip:a@host ",
        "sip:а@host",
        "sip:" + "a" * 65 + "@host",
        "sip:a@" + "a" * 64 + ".com",
    ],
)
def test_given_anything_else_then_it_is_refused(text):
    with pytest.raises(ValueError):
        parse_address(text)


def test_given_a_telephone_number_or_a_sip_uri_then_each_is_a_place():
    assert parse_place("tel:+442079460100") == Telephone("+442079460100")
    assert parse_place("sip:1@h") == Address("1", "h", None)


@pytest.mark.parametrize(
    "text",
    ["tel:", "tel:442079460100", "tel:+44 20 7946 0100", "tel:+1", "tel:+442079460100;ext=1", "tel:+4420794601001234"],
)
def test_given_no_whole_telephone_number_then_it_is_refused(text):
    with pytest.raises(ValueError, match="telephone number"):
        parse_place(text)


def test_given_a_target_with_several_faults_then_all_are_told_with_their_places():
    faults = target_faults(name=" ", address="tel:1", ring_timeout_s=0)
    assert [(fault.pointer, fault.code) for fault in faults] == [
        ("/name", "invalid"),
        ("/address", "invalid"),
        ("/ring_timeout_s", "out_of_range"),
    ]


@pytest.mark.parametrize("ring_timeout_s", [1, 300])
def test_given_a_sound_target_then_it_has_no_faults(ring_timeout_s):
    assert target_faults(name="Приёмная", address="sip:1@host", ring_timeout_s=ring_timeout_s) == []


@pytest.mark.parametrize("value", [True, "20", 20.0, None, 301])
def test_given_a_ring_time_that_is_no_whole_number_of_seconds_then_it_is_refused(value):
    assert [f.pointer for f in target_faults(name="a", address="sip:1@host", ring_timeout_s=value)] == [
        "/ring_timeout_s"
    ]
