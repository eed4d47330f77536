"""Where requests may go, and how a URL is read."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.outgoing.errors import AddressRefused, UrlRefused
from dialtrace.outgoing.model import Destination, Rules, is_public, parse_networks, parse_ports, parse_url

PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.8.8.8", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
    "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "::", "::1",
    "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "4000::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111",
    "2a00:1450::1", "2003::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_given_an_address_that_is_nobodys_or_ours_then_it_is_not_public(address):
    assert not is_public(ip_address(address))
    with pytest.raises(AddressRefused, match="not a public address"):
        Rules().check(parse_url("https://hook.example/"), [ip_address(address)])


@pytest.mark.parametrize("address", PUBLIC)
def test_given_an_address_of_the_internet_then_it_is_public(address):
    assert is_public(ip_address(address))
    Rules().check(parse_url("https://hook.example/"), [ip_address(address)])


@given(st.ip_addresses())
def test_given_any_address_then_what_the_library_calls_private_is_never_public(address):
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert not is_public(address)


def test_given_a_name_with_one_good_and_one_bad_address_then_refused():
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.5"):
        Rules().check(parse_url("https://hook.example/"), [ip_address("8.8.8.8"), ip_address("10.0.0.5")])


class TestNamedNetworks:
    rules = Rules(private_networks=parse_networks("127.0.0.0/8, fd00::/8"))

    @pytest.mark.parametrize("address", ["127.0.0.1", "fd12::1"])
    def test_given_an_address_in_one_then_any_port_and_plain_http_are_allowed(self, address):
        self.rules.check(parse_url("http://crm.internal:9999/"), [ip_address(address)])

    @pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:127.0.0.1", "::1", "fe80::1%lo"])
    def test_given_an_address_outside_then_refused_as_ever(self, address):
        with pytest.raises(AddressRefused):
            self.rules.check(parse_url("https://crm.internal/"), [ip_address(address)])

    def test_given_a_public_address_then_https_and_the_ports_still_bind(self):
        with pytest.raises(UrlRefused, match="https://"):
            self.rules.check(parse_url("http://hook.example/"), [ip_address("8.8.8.8")])
        with pytest.raises(UrlRefused, match="port 8443 is not allowed: the operator allows 443"):
            self.rules.check(parse_url("https://hook.example:8443/"), [ip_address("8.8.8.8")])
        named = [ip_address("8.8.8.8"), ip_address("127.0.0.1")]
        with pytest.raises(UrlRefused, match="port 8443"):
            self.rules.check(parse_url("https://hook.example:8443/"), named)


def test_given_the_operators_ports_then_they_are_allowed():
    rules = Rules(ports=parse_ports("443, 8443"))
    rules.check(parse_url("https://hook.example:8443/"), [ip_address("8.8.8.8")])


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://Hook.Example", Destination("https", "hook.example", 443, "/")),
        ("https://hook.example.:8443/a/b?c=d&e", Destination("https", "hook.example", 8443, "/a/b?c=d&e")),
        ("https://hook.example?c=d", Destination("https", "hook.example", 443, "/?c=d")),
        ("http://8.8.8.8/x", Destination("http", "8.8.8.8", 80, "/x")),
        ("https://[2606:4700::1111]:8443/", Destination("https", "2606:4700::1111", 8443, "/")),
        ("https://my_service.example/", Destination("https", "my_service.example", 443, "/")),
    ],
)
def test_given_a_url_when_parsed_then_its_parts(url, wanted):
    assert parse_url(url) == wanted


@pytest.mark.parametrize(
    "url",
    [
        "", "hook.example", "ftp://hook.example/", "file:///etc/passwd", "gopher://hook.example/", "https://",
        "https://user@hook.example/", "https://user:word@hook.example/", "https://hook.example#part",
        "https://hook.example\\@evil.example/", "https://hook.example/\r\nHost: evil", "https://hook .example/",
        "https://hook.example:0/", "https://hook.example:99999/", "https://hook.example:port/", "https://2130706433/",
        "https://127.1/", "https://0x7f.0.0.1/", "https://0x7f000001/", "https://017700000001/", "https://1.2.3.04/",
        "https://1.2.3/", "https://256.1.1.1/", "https://[::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1/",
        "https://вызов.example/", "https://-a.example/", "https://a..example/", "https://.example/",
        "https://" + "a" * 64 + ".example/", "https://hook.example/" + "a" * 2048,
    ],
)  # fmt: skip
def test_given_a_url_that_two_programs_may_read_in_two_ways_when_parsed_then_refused(url):
    with pytest.raises(UrlRefused):
        parse_url(url)


@given(st.text(max_size=60))
def test_given_any_text_when_parsed_then_refused_or_a_host_without_surprises(text):
    try:
        destination = parse_url("https://" + text)
    except UrlRefused:
        return
    assert not set(destination.host) & set(" @/\\#?%[]\r\n")
    assert destination.path.startswith("/")
    assert destination.path.isascii()


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://hook.example/", "hook.example"), ("https://hook.example:8443/", "hook.example:8443"),
        ("http://hook.example:80/", "hook.example"), ("https://[2606::1]/", "[2606::1]"),
    ],
)  # fmt: skip
def test_given_a_destination_then_its_host_header_is_what_the_other_side_expects(url, header):
    assert parse_url(url).host_header == header


@pytest.mark.parametrize("text", ["", "0", "70000", "https", "443;80"])
def test_given_ports_that_are_none_when_parsed_then_refused(text):
    with pytest.raises(ValueError, match=r"ports|invalid"):
        parse_ports(text)
