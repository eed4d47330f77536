"""Which address the audit log believes."""

from ipaddress import ip_network

import pytest

from dialtrace.addresses import believed_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "believed"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        # Not a proxy of ours: what it says of others is its own invention.
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        # Only the last entry was written by a proxy of ours.
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["not an address"], None),
        ("127.0.0.1", ["198.51.100.1"], "127.0.0.1"),
        (None, [], None),
    ],
)
def test_given_a_way_over_proxies_when_asked_then_the_last_stranger_counts(peer, forwarded, believed) -> None:
    assert believed_address(peer, forwarded, PROXIES) == believed
