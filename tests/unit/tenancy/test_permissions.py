"""Permissions, and who may give which."""

from __future__ import annotations

import pytest

from dialtrace.tenancy.errors import ValueRefused
from dialtrace.tenancy.model import check_networks, is_from
from dialtrace.tenancy.permissions import ALL, ROLES, beyond, check_permissions


def test_given_the_built_in_roles_when_read_then_each_is_less_than_the_owner_and_only_some_hear() -> None:
    assert ROLES["owner"] == ALL
    assert all(held < ALL for name, held in ROLES.items() if name != "owner")
    assert {name for name, held in ROLES.items() if "calls.listen" in held} == {"owner", "manager", "listener"}
    assert all(permission.endswith(".read") for permission in ROLES["read_only"])
    assert {name for name, held in ROLES.items() if "people.write" in held} == {"owner"}


def test_given_a_wish_when_it_goes_beyond_then_what_lacks_is_told() -> None:
    held = ROLES["listener"]
    assert beyond(["calls.read"], held) == []
    assert beyond(["calls.read", "keys.write"], held) == ["keys.write"]
    assert "audit.read" in beyond(None, held)
    assert beyond(None, None) == []


def test_given_no_permission_when_checked_then_it_is_named() -> None:
    with pytest.raises(ValueRefused, match=r"calls\.drop"):
        check_permissions(["calls.read", "calls.drop"], "scopes")


def test_given_networks_when_checked_then_addresses_in_them_are_from_there() -> None:
    networks = check_networks(["192.0.2.7", "2001:db8::/32", "192.0.2.7/32"])
    assert networks == ("192.0.2.7/32", "2001:db8::/32")
    assert is_from("192.0.2.7", networks)
    assert is_from("2001:db8::1", networks)
    assert not is_from("192.0.2.8", networks)
    assert not is_from(None, networks)
    assert is_from(None, None)


@pytest.mark.parametrize("networks", [[], ["x"], ["192.0.2.7/24"], ["1.2.3.4"] * 51])
def test_given_no_networks_when_checked_then_refused(networks: list[str]) -> None:
    with pytest.raises(ValueRefused, match="networks"):
        check_networks(networks)
