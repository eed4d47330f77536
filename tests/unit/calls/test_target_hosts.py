"""Which hosts targets may have."""

import pytest

from dialtrace.calls.target_hosts import TargetHosts, parse_hosts

STRICT = TargetHosts()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "localhost", "pbx", "pbx.local", "pbx.internal", "LOCALHOST", "a.localhost", "127.1", "0x7f.1", "1.2.3",
        "router.lan.",
    ],
)  # fmt: skip
def test_given_no_list_when_a_host_is_of_an_inner_network_then_no_target_may_have_it(host):
    assert STRICT.fault(host) is not None


@pytest.mark.parametrize("host", ["pbx.example.com", "8.8.8.8", "sip.carrier.example", "a-b.c1.de", "81.2.69.142"])
def test_given_no_list_when_a_host_is_public_then_a_target_may_have_it(host):
    assert STRICT.fault(host) is None


def test_given_lists_when_asked_then_what_is_denied_counts_more_than_what_is_allowed():
    hosts = TargetHosts(
        allowed=parse_hosts("127.0.0.0/8, pbx.lan, *.voice.internal"), denied=parse_hosts("127.0.0.2, *.rival.com")
    )
    allowed = ["127.0.0.1", "pbx.lan", "PBX.lan", "a.voice.internal", "other.com"]
    refused = ["127.0.0.2", "voice.internal", "x.pbx.lan", "a.rival.com", "10.0.0.1"]
    assert [host for host in allowed + refused if hosts.fault(host) is None] == allowed


@pytest.mark.parametrize("text", ["10.0.0.1/8", "a b", "300.1.1.1", "*", "-x.com"])
def test_given_a_list_that_makes_no_sense_when_read_then_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_hosts(text)
