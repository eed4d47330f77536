"""What may be done, word by word, and the roles that are made of it.

A permission is ``<area>.<deed>``. Which tenant it is used for is another matter: that is the reach of a key or a user
(`model.ROLES`). Nobody gives away what he has not got (:func:`beyond`). Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from .errors import ValueRefused

#: Every permission with its meaning. Whoever adds an area adds its words here and its resources in `api.access`.
PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "tenants.read": "see agencies, clients, their limits and brand",
        "tenants.write": "make and change agencies, clients, their limits and brand",
        "people.read": "see users and their roles",
        "people.write": "invite and change users, make roles",
        "keys.read": "see API keys",
        "keys.write": "make, rotate and revoke API keys",
        "numbers.read": "see numbers and pools",
        "numbers.write": "order, change and release numbers, change pools",
        "flows.read": "see flows, targets and block lists",
        "flows.write": "change flows, targets and block lists",
        "sites.read": "see sites, visits and rules of sources",
        "sites.write": "change sites and rules of sources",
        "calls.read": "see call records, their attribution and the calls that stand",
        "calls.write": "correct and mark call records",
        "calls.listen": "hear recordings",
        "exports.read": "fetch exports",
        "exports.write": "make exports and their schedules",
        "events.read": "read the log of events",
        "webhooks.read": "see webhooks and deliveries",
        "webhooks.write": "change webhooks, see their secrets, send again",
        "integrations.read": "see settings of integrations",
        "integrations.write": "change settings of integrations",
        "recordings.read": "see where and how recordings are kept",
        "recordings.write": "change where and how recordings are kept, and their keys",
        "privacy.read": "see retention, holds, requests of persons and receipts",
        "privacy.write": "change retention, place holds, carry out requests of persons",
        "billing.read": "see prices, balances and statements",
        "billing.write": "change prices and balances",
        "audit.read": "read the audit log",
        "platform.read": "see nodes and trunks",
        "platform.write": "change nodes and trunks",
    }
)
ALL = frozenset(PERMISSIONS)
_READS = frozenset(name for name in ALL if name.endswith(".read"))

#: The roles that are there from the beginning, with what they are for.
ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # Everything, people and money included.
        "owner": ALL,
        # Runs the tracking day by day; neither people, keys, money nor what the law asks.
        "manager": ALL
        - {"people.write", "keys.write", "billing.write", "privacy.write", "recordings.write", "tenants.write"},
        # Numbers and reports, no sound and no change.
        "analyst": frozenset(
            {
                "tenants.read", "numbers.read", "flows.read", "sites.read", "calls.read", "events.read", "exports.read",
                "exports.write", "billing.read",
            }
        ),
        # Hears calls and marks them.
        "listener": frozenset({"tenants.read", "calls.read", "calls.write", "calls.listen"}),
        # Sees everything, hears and changes nothing.
        "read_only": _READS,
    }
)  # fmt: skip

MOST_OWN_ROLES = 100


def check_permissions(names: Iterable[str], field: str) -> frozenset[str]:
    """A set of permissions that all exist. Raises ValueRefused, which names the first that does not."""
    found = frozenset(names)
    if unknown := sorted(found - ALL):
        raise ValueRefused(field, f"holds {unknown[0][:80]!r}, which is no permission")
    return found


def beyond(wanted: Collection[str] | None, held: Collection[str] | None) -> list[str]:
    """What of ``wanted`` goes beyond ``held``; None means everything in both."""
    if held is None:
        return []
    return sorted((ALL if wanted is None else frozenset(wanted)) - frozenset(held))
