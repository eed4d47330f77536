"""Every table that belongs to a tenant: in a client's document, or left out for a reason. A test compares this with the
tables; whoever adds one says here which of the two it is."""

from __future__ import annotations

from collections.abc import Mapping

#: Table → the member of the document that tells it.
COVERED: Mapping[str, str] = {
    "clients": "client",
    "targets": "targets",
    "flows": "flows",
    "schedules": "schedules",
    "numbers": "numbers",
    "pools": "pools",
    "pool_numbers": "pool_numbers",
    "pool_reserves": "pool_reserves",
    "sites": "sites",
    "source_rules": "source_rules",
    "webhooks": "webhooks",
    "blocks": "blocks",
    "call_limits": "limits",
    "retention_rules": "retention",
    "recording_settings": "recording",
    "export_columns": "export_columns",
    "export_schedules": "export_schedules",
    "billing_accounts": "billing",
    "price_books": "billing",
    "price_editions": "billing",
    "price_rates": "billing",
    "price_packages": "billing",
}

_RECORD = "a record of what happened, not something that was set"
_PASSING = "of calls or visits that are under way; gone within a day"
_AGENCY = "the agency's, not one client's"
_OPERATOR = "the operator's"
_MADE_ANEW = "a secret: made anew where a document is applied"
_PERSON = "of persons and what they have asked for: it stays where it was asked"
_DERIVED = "made from what the document tells"

#: Table → why it is left out.
LEFT_OUT: Mapping[str, str] = {
    "agencies": _AGENCY,
    "api_keys": _MADE_ANEW,
    "brands": _AGENCY,
    "roles": _AGENCY,
    "users": "people: they are invited, and say themselves what is theirs",
    "user_links": _MADE_ANEW,
    "sessions": _MADE_ANEW,
    "hook_secrets": _MADE_ANEW,
    "webhook_secrets": _MADE_ANEW,
    "recording_keys": _MADE_ANEW,
    "integrations": "useless without their secrets, which no document tells: they are set up where they lead",
    "recording_stores": _AGENCY,
    "retention_bounds": _OPERATOR,
    "destinations": _OPERATOR,
    "trunks": _OPERATOR,
    "carriers": _OPERATOR,
    "prompts": "sounds of the operator and of the agency, and texts that are rendered when a flow is applied",
    "report_settings": "how a client's reports are read, not how its calls go; its own resource tells and sets it",
    "flow_notices": _DERIVED,
    "package_use": _DERIVED,
    "report_subscriptions": _PERSON,
    **dict.fromkeys(("report_coverage", "report_changes", "report_sums", "report_callers"), _DERIVED),
    **dict.fromkeys(
        (
            "calls", "legs", "call_revisions", "recordings", "events", "event_sequences", "webhook_deliveries",
            "audit_log", "number_proofs", "consents", "exports", "export_objects", "visits", "tel_clicks", "exposures",
            "pool_hours", "attributions", "touches", "corrections", "impressions", "attribution_fits",
            "ledger_entries", "call_charges", "usage_records", "statements", "reratings", "rating_places",
            "number_orders", "number_returns", "call_assessments", "ad_spend", "integration_deliveries",
            "integration_objects", "integration_readings",
        ),
        _RECORD,
    ),
    **dict.fromkeys(
        (
            "live_calls", "live_counts", "queue_entries", "queue_targets", "decisions", "rotations", "admissions",
            "idempotency_keys", "promo_codes", "attribution_due", "request_windows",
        ),
        _PASSING,
    ),
    **dict.fromkeys(
        (
            "legal_holds", "subject_requests", "subject_calls", "erased_people", "erasure_sweeps", "privacy_receipts",
            "welcome_callers",
        ),
        _PERSON,
    ),
}  # fmt: skip
