"""Which permission each endpoint needs, by its resource: `<area>.read` for GET, `<area>.write` for the rest.

An endpoint that needs another, or more, says so itself (`permission=`). A resource that is not here cannot be declared.
"""

from __future__ import annotations

from ..tenancy.permissions import PERMISSIONS

#: The area of every resource, by the name of its blueprint.
AREAS = {
    "agencies": "tenants",
    "clients": "tenants",
    "limits": "tenants",
    "brands": "tenants",
    "users": "people",
    "keys": "keys",
    "audit": "audit",
    "numbers": "numbers",
    "number_orders": "numbers",
    "number_returns": "numbers",
    "pools": "numbers",
    "pool_forecasts": "numbers",
    "pool_leases": "numbers",
    "flows": "flows",
    "schedules": "flows",
    "prompts": "flows",
    "targets": "flows",
    "blocks": "flows",
    "hook_secrets": "flows",
    "sites": "sites",
    "snippets": "sites",
    "sources": "sites",
    "visits": "sites",
    "assessments": "calls",
    "calls": "calls",
    "attribution": "calls",
    "live": "calls",
    "explanations": "calls",
    "revisions": "calls",
    "recordings": "calls",
    "recording_stores": "recordings",
    "archive": "exports",
    "exports": "exports",
    "export_schedules": "exports",
    "advice": "calls",
    "payback": "billing",
    "named_reports": "calls",
    "reports": "calls",
    "report_settings": "tenants",
    "report_subscriptions": "calls",
    "spend": "calls",
    "events": "events",
    "webhooks": "webhooks",
    "webhook_deliveries": "webhooks",
    "integrations": "integrations",
    "integration_deliveries": "integrations",
    "retention": "privacy",
    "subject_requests": "privacy",
    "price_books": "billing",
    "billing": "billing",
    "statements": "billing",
    "reratings": "billing",
    "carriers": "platform",
    "nodes": "platform",
    "noc": "platform",
    "trunks": "platform",
}


def permissions_of(resource: str, method: str, said: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The permissions that an endpoint needs, all of them."""
    if said is None:
        assert resource in AREAS, f"name the area of {resource} in api/access.py, or the permission of each endpoint"
        said = f"{AREAS[resource]}.{'read' if method == 'GET' else 'write'}"
    found = (said,) if isinstance(said, str) else said
    unknown = set(found) - PERMISSIONS.keys()
    assert not unknown, f"{sorted(unknown)} are no permissions (tenancy/permissions.py)"
    return found
