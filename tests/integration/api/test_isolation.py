"""Every endpoint × every key × somebody else's ids: nothing is answered, not one byte of the other tenant.

Each endpoint has a row here; one that is declared without a row fails the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine

from dialtrace.admission.model import NewBlock
from dialtrace.api import endpoint as endpoint_module
from dialtrace.api import problems as problems_module
from dialtrace.api.app import ApiServices
from dialtrace.api.auth import Asked
from dialtrace.api.endpoint import PUBLIC, Endpoint
from dialtrace.api.prompts import EXAMPLE_AUDIO
from dialtrace.carriers.model import CarrierValues
from dialtrace.db.tables import TENANT
from dialtrace.documents.model import KINDS
from dialtrace.events.service import sequence
from dialtrace.exports.making import ExportMaker
from dialtrace.exports.places import ExportPlaces
from dialtrace.jobs.model import Done, Job
from dialtrace.objectstore.service import open_store
from dialtrace.privacy.signing import Signer
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.sites.visits import Arrival
from dialtrace.tenancy.model import Principal
from dialtrace.tenancy.permissions import ALL
from dialtrace.tenancy.permissions import ROLES as BUILT_IN
from dialtrace.trunks.model import TrunkValues

from .conftest import Asker, Tenant, document, signed_in
from .records import bring_home, due_of, put_live_call, store_call, wav

Body = Callable[[Mapping[str, str]], dict[str, Any]]

RETENTION = {
    "cdr_days": 1, "recording_days": 1, "caller_days": 1, "visit_days": 1, "caller_becomes": "nothing",
}  # fmt: skip

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)

#: A client without anything.
EMPTY_DOCUMENT: dict[str, Any] = {
    "format": "dialtrace-client/1",
    "client": {"name": "x", "time_zone": "UTC", "backup_target": None},
    **{name: {} for name in (*KINDS, "site_rules", "pool_numbers", "pool_reserves", "export_columns")},
    "source_rules": [], "blocks": [], "limits": {"max_calls": 1, "max_calls_per_s": None}, "retention": {},
    "recording": None, "billing": None,
}  # fmt: skip

#: What each endpoint is asked for: bodies with somebody else's ids (`agency`, `client`, `target`, …).
#: Nobody listens there.
TELEGRAM: dict[str, Any] = {
    "system": "telegram", "name": "x", "settings": {"chat_id": "-1", "calls": "all", "api_url": "http://127.0.0.1:9"},
    "secrets": {"bot_token": "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"},
}  # fmt: skip
BODIES: dict[str, list[Body]] = {
    "POST /v1/agencies": [lambda _: {"name": "x"}],
    "PATCH /v1/agencies/<uuid:agency_id>": [lambda _: {"name": "taken over"}],
    "POST /v1/clients": [lambda other: {"name": "x", "agency_id": other["agency"]}],
    "POST /v1/keys": [
        lambda other: {"role": "agency", "name": "x", "agency_id": other["agency"]},
        lambda other: {"role": "client", "name": "x", "client_id": other["client"]},
        lambda other: {"role": "operator", "name": "x"},
    ],
    "POST /v1/keys/<uuid:key_id>/rotate": [lambda _: {"overlap_s": 0}],
    "POST /v1/users": [
        lambda other: {"email": "x@x.example", "name": "x", "role": "owner", "client_id": other["client"]},
        lambda other: {"email": "y@x.example", "name": "x", "role_id": other["role"], "client_id": other["client"]},
    ],
    "PATCH /v1/users/<uuid:user_id>": [lambda _: {"name": "taken over"}, lambda other: {"role_id": other["role"]}],
    "POST /v1/roles": [lambda other: {"name": "x", "permissions": [], "agency_id": other["agency"]}],
    "PATCH /v1/roles/<uuid:role_id>": [lambda _: {"permissions": []}],
    "PUT /v1/agencies/<uuid:agency_id>/brand": [
        lambda _: {"name": "taken over", "colour": "#000000", "accent": "#000000", "language": "en"}
    ],
    "POST /v1/session/password": [lambda _: {"old": "x", "new": "taken over by somebody"}],
    "POST /v1/session/second-factor": [lambda _: {"password": "x"}],
    "POST /v1/session/second-factor/confirm": [lambda _: {"code": "000000"}],
    "POST /v1/session/second-factor/remove": [lambda _: {"password": "x", "code": "000000"}],
    "POST /v1/targets": [lambda other: {"name": "x", "address": "sip:a@b.example", "client_id": other["client"]}],
    "POST /v1/flows": [
        lambda other: {"name": "x", "client_id": other["client"], "document": document(other["target"])}
    ],
    "POST /v1/flows/check": [
        lambda other: {"client_id": other["client"], "document": document(other["target"])},
        lambda other: {"client_id": other["client"], "flow_id": other["flow"], "document": document(other["target"])},
    ],
    "POST /v1/flows/dry-run": [
        lambda other: {"client_id": other["client"], "document": document(other["target"])},
        lambda other: {"client_id": other["client"], "flow_id": other["flow"], "document": document(other["target"])},
    ],
    "POST /v1/numbers": [lambda other: {"number": "+442079468888", "client_id": other["client"]}],
    "POST /v1/pools": [lambda other: {"name": "x", "client_id": other["client"]}],
    "PATCH /v1/pools/<uuid:pool_id>": [lambda _: {"name": "taken over"}],
    "POST /v1/pools/<uuid:pool_id>/numbers/add": [lambda other: {"number_ids": [other["number"]]}],
    "POST /v1/pools/<uuid:pool_id>/numbers/remove": [lambda other: {"number_ids": [other["number"]]}],
    "PUT /v1/pools/<uuid:pool_id>/reserves": [
        lambda other: {"reserves": [{"source": "", "number_id": other["number"]}]}
    ],
    "POST /v1/numbers/<uuid:number_id>/state": [lambda _: {"state": "quarantined"}],
    "POST /v1/pools/<uuid:pool_id>/leases": [lambda _: {}],
    "POST /v1/pools/<uuid:pool_id>/leases/renew": [lambda other: {"visit_ids": [other["call"]]}],
    "PUT /v1/agencies/<uuid:agency_id>/limits": [lambda _: {"max_calls": 1, "max_calls_per_s": None}],
    "PUT /v1/clients/<uuid:client_id>/limits": [lambda _: {"max_calls": 1, "max_calls_per_s": None}],
    "PUT /v1/agencies/<uuid:agency_id>/destinations": [lambda _: {"prefixes": ["+44"]}],
    "POST /v1/blocks": [
        lambda other: {"client_id": other["client"], "entries": [{"kind": "withheld"}]},
    ],
    "POST /v1/calls/<uuid:call_id>/recording/links": [lambda _: {"valid_s": 60}],
    "PUT /v1/agencies/<uuid:agency_id>/recording-store": [
        lambda _: {"bucket": "mine", "region": "x", "access_key_id": "key", "secret_access_key": "mine"}
    ],
    "POST /v1/agencies/<uuid:agency_id>/recording-keys": [lambda _: {}],
    "PUT /v1/agencies/<uuid:agency_id>/recording-settings": [lambda _: {"format": "mp3"}],
    "PUT /v1/clients/<uuid:client_id>/recording-settings": [lambda _: {"format": "mp3"}],
    "POST /v1/trunks": [lambda _: {"name": "mine", "host": "sip.example", "costs": {"+": "0"}}],
    "PATCH /v1/trunks/<uuid:trunk_id>": [lambda _: {"enabled": False}],
    "PUT /v1/agencies/<uuid:agency_id>/retention": [lambda _: RETENTION],
    "PUT /v1/clients/<uuid:client_id>/retention": [lambda _: RETENTION],
    "POST /v1/legal-holds": [
        lambda other: {"client_id": other["client"], "kind": "client", "reason": "x"},
        lambda other: {"client_id": other["client"], "kind": "call", "call_id": other["call"], "reason": "x"},
    ],
    "POST /v1/subject-requests": [
        lambda other: {"client_id": other["client"], "kind": "erase", "phone": "+442079467777"},
    ],
    "POST /v1/calls/<uuid:call_id>/attribution/corrections": [
        lambda _: {"kind": "withdrawn"},
        lambda other: {"kind": "manual", "visit_id": other["visit"]},
    ],
    "POST /v1/impressions": [
        lambda other: {
            "client_id": other["client"],
            "impressions": [
                {
                    "reference": "x",
                    "visitor_id": other["visit"],
                    "shown_at": "2026-11-02T09:30:00Z",
                    "source": {"channel": "display"},
                }
            ],
        }
    ],
    "POST /v1/exports": [
        lambda other: {
            "client_id": other["client"],
            "content": "calls",
            "format": "csv",
            "from": "2026-11-01T00:00:00Z",
            "until": "2026-12-01T00:00:00Z",
        }
    ],
    "PUT /v1/clients/<uuid:client_id>/export-columns": [lambda _: {"calls": ["id"], "events": None, "audit": None}],
    "POST /v1/export-schedules": [
        lambda other: {
            "client_id": other["client"],
            "name": "x",
            "content": "calls",
            "format": "csv",
            "every": "daily",
            "hour": 0,
        }
    ],
    "PATCH /v1/export-schedules/<uuid:schedule_id>": [lambda _: {"hour": 7}],
    "POST /v1/report-subscriptions": [
        lambda other: {"user_id": other["user"], "client_id": other["client"], "kind": "daily"}
    ],
    "PATCH /v1/report-subscriptions/<uuid:subscription_id>": [lambda _: {"hour": 7}],
    "PATCH /v1/clients/<uuid:client_id>": [
        lambda _: {"name": "taken over"},
        lambda other: {"backup_target_id": other["target"]},
    ],
    "PATCH /v1/targets/<uuid:target_id>": [lambda _: {"name": "taken over"}],
    "POST /v1/webhooks": [lambda other: {"url": "https://x.example/", "client_id": other["client"]}],
    "PATCH /v1/webhooks/<uuid:webhook_id>": [lambda _: {"description": "taken over"}],
    "POST /v1/webhooks/<uuid:webhook_id>/secret": [lambda _: {}],
    "POST /v1/webhooks/<uuid:webhook_id>/replay": [
        lambda _: {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    ],
    "POST /v1/integrations": [
        lambda other: {**TELEGRAM, "client_id": other["client"]},
    ],
    "PATCH /v1/integrations/<uuid:integration_id>": [lambda _: {"name": "taken over"}],
    "POST /v1/integrations/<uuid:integration_id>/preview": [
        lambda other: {"call_id": other["call"], "type": "call.ended"}
    ],
    "POST /v1/integrations/<uuid:integration_id>/backfill": [
        lambda _: {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    ],
    "POST /v1/sites": [lambda other: {"name": "x", "domains": ["x.example"], "client_id": other["client"]}],
    "PATCH /v1/sites/<uuid:site_id>": [lambda _: {"name": "taken over"}],
    "PUT /v1/sites/<uuid:site_id>/rules/draft": [lambda _: {"rules": {}}],
    "PUT /v1/clients/<uuid:client_id>/source-rules": [lambda _: {"rules": []}],
    "POST /v1/sites/<uuid:site_id>/preview": [lambda _: {"page": "https://victimname.example/"}],
    "POST /v1/sources/classify": [lambda other: {"landing_page": "x", "client_id": other["client"]}],
    "POST /v1/price-books": [
        lambda other: {"side": "client", "name": "x", "currency": "GBP", "agency_id": other["agency"]},
        lambda _: {"side": "agency", "name": "x", "currency": "GBP"},
    ],
    "PATCH /v1/price-books/<uuid:book_id>": [lambda _: {"name": "taken over"}],
    "POST /v1/price-books/<uuid:book_id>/editions": [lambda _: {"valid_from": "2026-01-01T00:00:00Z"}],
    "POST /v1/clients/<uuid:client_id>/billing": [lambda _: {"currency": "GBP"}],
    "PATCH /v1/clients/<uuid:client_id>/billing": [lambda _: {"due_days": 365}],
    "POST /v1/clients/<uuid:client_id>/billing/entries": [
        lambda _: {"kind": "payment", "amount": "1.00", "reference": "x"}
    ],
    "POST /v1/agencies/<uuid:agency_id>/billing": [lambda _: {"currency": "GBP"}],
    "PATCH /v1/agencies/<uuid:agency_id>/billing": [lambda _: {"due_days": 365}],
    "POST /v1/agencies/<uuid:agency_id>/billing/entries": [
        lambda _: {"kind": "payment", "amount": "1.00", "reference": "x"}
    ],
    "PUT /v1/clients/<uuid:client_id>/document": [lambda _: EMPTY_DOCUMENT],
    "POST /v1/clients/<uuid:client_id>/copy": [lambda _: {"name": "x"}],
    "POST /v1/billing/usage": [
        lambda other: {
            "usage": [
                {"client_id": other["client"], "day": "2026-11-01", "meter": "x", "quantity": "1", "reference": "x"}
            ]
        }
    ],
    "POST /v1/billing/reratings": [
        lambda other: {
            "client_id": other["client"],
            "from": "2026-11-01T00:00:00Z",
            "until": "2026-12-01T00:00:00Z",
        },
        lambda other: {
            "price_book_id": other["book"],
            "from": "2026-11-01T00:00:00Z",
            "until": "2026-12-01T00:00:00Z",
        },
    ],
    "PATCH /v1/clients/<uuid:client_id>/report-settings": [lambda _: {"answer_norm_s": 5}],
    "POST /v1/spend": [
        lambda other: {
            "client_id": other["client"],
            "rows": [{"day": "2026-03-01", "source": "x", "cost": "1", "currency": "EUR"}],
        }
    ],
    "PATCH /v1/calls/<uuid:call_id>/assessment": [lambda _: {"note": "taken over"}],
    "POST /v1/number-orders": [
        lambda other: {"client_id": other["client"], "carrier_id": other["carrier"], "number": "+442079468889"}
    ],
    "POST /v1/number-orders/<uuid:order_id>/state": [lambda _: {"state": "rejected"}],
    "POST /v1/numbers/<uuid:number_id>/assign": [lambda other: {"to_client_id": other["client"]}],
    "POST /v1/carriers": [lambda _: {"name": "mine", "adapter": "inventory", "file": "x.csv"}],
    "PATCH /v1/carriers/<uuid:carrier_id>": [lambda _: {"enabled": False}],
    "POST /v1/bulk": [
        lambda other: {
            "agency_id": other["agency"],
            "rows": [{"method": "PATCH", "path": "/v1/targets/" + other["target"], "body": {}, "if_match": "*"}],
        }
    ],
    "POST /v1/prompts": [lambda other: {"agency_id": other["agency"], "label": "x", "audio": EXAMPLE_AUDIO}],
    "POST /v1/schedules": [lambda other: {"name": "x", "client_id": other["client"], "hours": {"weekly": {}}}],
    "PATCH /v1/schedules/<uuid:open_schedule_id>": [lambda _: {"name": "taken over"}],
    "PATCH /v1/flows/<uuid:flow_id>": [lambda _: {"name": "taken over"}],
    "PATCH /v1/numbers/<uuid:number_id>": [lambda _: {"label": "taken over"}, lambda _: {"flow_id": None}],
}
#: Endpoints for one thing: which of the other tenant's ids stands in the path.
IDS = {
    "agency_id": "agency", "client_id": "client", "target_id": "target", "flow_id": "flow", "number_id": "number",
    "call_id": "call", "key_id": "key", "block_id": "block", "trunk_id": "trunk", "event_id": "event",
    "recording_key_id": "key",
    "carrier_id": "carrier", "order_id": "order", "return_id": "return",
    "hold_id": "hold", "request_id": "request", "receipt_id": "receipt",
    "webhook_id": "webhook", "delivery_id": "delivery",
    "integration_id": "integration", "integration_delivery_id": "integration_delivery",
    "book_id": "book", "rerating_id": "rerating",
    "export_id": "export", "schedule_id": "schedule", "site_id": "site", "pool_id": "pool", "visit_id": "visit",
    "open_schedule_id": "hours", "subscription_id": "subscription",
    "user_id": "user", "role_id": "role", "session_id": "session",
}  # fmt: skip
#: Every endpoint; `list` gives what is the asker's own, the others are for one thing or make one.
ROWS = {
    # Before the person's: it goes with him.
    "DELETE /v1/report-subscriptions/<uuid:subscription_id>": "one",
    "GET /v1/permissions": "list", "GET /v1/users": "list", "GET /v1/users/<uuid:user_id>": "one",
    "DELETE /v1/users/<uuid:user_id>": "one", "POST /v1/users/<uuid:user_id>/invitation": "one",
    "GET /v1/roles": "list", "GET /v1/roles/<uuid:role_id>": "one", "DELETE /v1/roles/<uuid:role_id>": "one",
    "GET /v1/agencies/<uuid:agency_id>/brand": "one", "GET /v1/agencies/<uuid:agency_id>/brand/logo": "one",
    "GET /v1/session": "list", "GET /v1/sessions": "list", "DELETE /v1/sessions/<uuid:session_id>": "one",
    "GET /v1/agencies": "list", "GET /v1/clients": "list", "GET /v1/keys": "list", "GET /v1/targets": "list",
    "GET /v1/flows": "list", "GET /v1/numbers": "list", "GET /v1/calls": "list", "GET /v1/audit-log": "list",
    "GET /v1/calls/live": "list",
    "GET /v1/sites/<uuid:site_id>/snippet": "one", "GET /v1/visits": "list", "GET /v1/visits/<uuid:visit_id>": "one",
    "GET /v1/sites": "list", "GET /v1/sites/<uuid:site_id>": "one", "DELETE /v1/sites/<uuid:site_id>": "one",
    "GET /v1/sites/<uuid:site_id>/rules": "one", "DELETE /v1/sites/<uuid:site_id>/rules/draft": "one",
    "POST /v1/sites/<uuid:site_id>/rules/publish": "one", "GET /v1/clients/<uuid:client_id>/source-rules": "one",
    "GET /v1/agencies/<uuid:agency_id>": "one", "GET /v1/clients/<uuid:client_id>": "one",
    "GET /v1/clients/<uuid:client_id>/hook-secret": "one", "POST /v1/clients/<uuid:client_id>/hook-secret": "one",
    "GET /v1/targets/<uuid:target_id>": "one", "GET /v1/flows/<uuid:flow_id>": "one",
    "GET /v1/numbers/<uuid:number_id>": "one", "GET /v1/calls/<uuid:call_id>": "one",
    "GET /v1/calls/<uuid:call_id>/recording": "one", "GET /v1/calls/<uuid:call_id>/recording/player": "one",
    "GET /v1/calls/<uuid:call_id>/explain": "one",
    "GET /v1/calls/<uuid:call_id>/revisions": "one",
    "DELETE /v1/numbers/<uuid:number_id>": "one",
    "GET /v1/schedules": "list", "GET /v1/schedules/<uuid:open_schedule_id>": "one",
    "DELETE /v1/schedules/<uuid:open_schedule_id>": "one",
    "GET /v1/pools": "list", "GET /v1/pools/<uuid:pool_id>": "one", "DELETE /v1/pools/<uuid:pool_id>": "one",
    "GET /v1/pools/<uuid:pool_id>/standing": "one", "GET /v1/pools/<uuid:pool_id>/reserves": "one",
    "GET /v1/pools/<uuid:pool_id>/forecast": "one", "GET /v1/inventory": "list",
    "GET /v1/nodes": "list", "POST /v1/nodes/<name>/drain": "one", "POST /v1/nodes/<name>/undrain": "one",
    "POST /v1/nodes/<name>/lost": "one",
    "GET /v1/noc": "list", "GET /v1/scrape-targets": "list", "GET /v1/scrape-targets/agencies": "list",
    "GET /v1/agency-metrics": "list",
    "GET /v1/keys/<uuid:key_id>": "one", "GET /v1/blocks/<uuid:block_id>": "one",
    "GET /v1/calls/<uuid:call_id>/assessment": "one",
    "GET /v1/reports/dictionary": "list", "GET /v1/reports/figures": "list", "GET /v1/reports/missed": "list",
    "GET /v1/reports/daily": "list", "GET /v1/reports/weekly": "list", "GET /v1/reports/monthly": "list",
    "GET /v1/reports/calls": "list",
    "GET /v1/report-subscriptions": "list", "GET /v1/report-subscriptions/<uuid:subscription_id>": "one",
    "POST /v1/report-subscriptions/<uuid:subscription_id>/send": "one",
    "GET /v1/clients/<uuid:client_id>/report-settings": "one",
    "GET /v1/clients/<uuid:client_id>/advice": "one", "GET /v1/clients/<uuid:client_id>/negative-keywords": "one",
    "GET /v1/clients/<uuid:client_id>/negative-keywords/file": "one",
    "GET /v1/clients/<uuid:client_id>/payback": "one",
    "GET /v1/available-numbers": "list", "GET /v1/number-orders": "list",
    "GET /v1/number-orders/<uuid:order_id>": "one", "POST /v1/number-orders/<uuid:order_id>/submit": "one",
    "POST /v1/number-orders/<uuid:order_id>/cancel": "one",
    "GET /v1/number-returns": "list", "GET /v1/number-returns/<uuid:return_id>": "one",
    "POST /v1/number-returns/<uuid:return_id>/hasten": "one",
    "GET /v1/carriers": "list", "GET /v1/carriers/<uuid:carrier_id>": "one",
    "DELETE /v1/carriers/<uuid:carrier_id>": "one",
    "GET /v1/prompts": "list", "GET /v1/prompts/<name>": "one", "GET /v1/prompts/<name>/audio": "one",
    "DELETE /v1/prompts/<name>": "one",
    "DELETE /v1/keys/<uuid:key_id>": "one", "GET /v1/agencies/<uuid:agency_id>/limits": "one",
    "GET /v1/clients/<uuid:client_id>/limits": "one", "GET /v1/agencies/<uuid:agency_id>/destinations": "one",
    "GET /v1/blocks": "list", "DELETE /v1/blocks/<uuid:block_id>": "one",
    "GET /v1/agencies/<uuid:agency_id>/recording-store": "one",
    "GET /v1/agencies/<uuid:agency_id>/recording-settings": "one",
    "GET /v1/clients/<uuid:client_id>/recording-settings": "one",
    "DELETE /v1/agencies/<uuid:agency_id>/recording-store": "one",
    "POST /v1/agencies/<uuid:agency_id>/recording-store/test": "one",
    "GET /v1/agencies/<uuid:agency_id>/recording-keys": "one",
    "POST /v1/agencies/<uuid:agency_id>/recording-keys/rewrap": "one",
    "DELETE /v1/agencies/<uuid:agency_id>/recording-keys/<uuid:recording_key_id>": "one",
    "GET /v1/trunks": "list",
    "GET /v1/agencies/<uuid:agency_id>/retention": "one", "GET /v1/clients/<uuid:client_id>/retention": "one",
    "GET /v1/legal-holds": "list", "GET /v1/legal-holds/<uuid:hold_id>": "one",
    "DELETE /v1/legal-holds/<uuid:hold_id>": "one",
    "GET /v1/subject-requests": "list", "GET /v1/subject-requests/<uuid:request_id>": "one",
    "GET /v1/subject-requests/<uuid:request_id>/file": "one",
    "GET /v1/privacy/receipts": "list", "GET /v1/privacy/receipts/<uuid:receipt_id>": "one",
    "GET /v1/calls/<uuid:call_id>/consent": "one",
    "GET /v1/calls/<uuid:call_id>/attribution": "one", "POST /v1/visits/<uuid:visit_id>/promo-code": "one",
    "GET /v1/attribution/comparison": "list",
    "GET /v1/webhooks": "list", "GET /v1/webhooks/<uuid:webhook_id>": "one",
    "DELETE /v1/webhooks/<uuid:webhook_id>": "one", "GET /v1/webhooks/<uuid:webhook_id>/secret": "one",
    "POST /v1/webhooks/<uuid:webhook_id>/pause": "one", "POST /v1/webhooks/<uuid:webhook_id>/resume": "one",
    "POST /v1/webhooks/<uuid:webhook_id>/test": "one", "GET /v1/webhooks/<uuid:webhook_id>/deliveries": "one",
    "GET /v1/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>": "one",
    "POST /v1/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/replay": "one",
    "GET /v1/integrations": "list", "GET /v1/integrations/<uuid:integration_id>": "one",
    "DELETE /v1/integrations/<uuid:integration_id>": "one",
    "POST /v1/integrations/<uuid:integration_id>/pause": "one",
    "POST /v1/integrations/<uuid:integration_id>/resume": "one",
    "POST /v1/integrations/<uuid:integration_id>/test": "one",
    "GET /v1/integrations/<uuid:integration_id>/deliveries": "one",
    "GET /v1/integrations/<uuid:integration_id>/deliveries/<uuid:integration_delivery_id>": "one",
    "POST /v1/integrations/<uuid:integration_id>/deliveries/<uuid:integration_delivery_id>/retry": "one",
    "GET /v1/integration-systems": "list",
    "GET /v1/exports": "list", "GET /v1/exports/<uuid:export_id>": "one",
    "GET /v1/exports/<uuid:export_id>/files/<name>": "one", "GET /v1/calls/export": "list",
    "GET /v1/clients/<uuid:client_id>/export-columns": "one",
    "GET /v1/archive": "list", "GET /v1/archive/<month>/<table>": "one",
    "GET /v1/export-schedules": "list", "GET /v1/export-schedules/<uuid:schedule_id>": "one",
    "DELETE /v1/export-schedules/<uuid:schedule_id>": "one", "POST /v1/export-schedules/<uuid:schedule_id>/run": "one",
    "GET /v1/events": "list", "GET /v1/events/<uuid:event_id>": "one",
    "GET /v1/trunks/<uuid:trunk_id>": "one", "DELETE /v1/trunks/<uuid:trunk_id>": "one",
    "PUT /v1/calls/<uuid:call_id>/not-spam": "one", "DELETE /v1/calls/<uuid:call_id>/not-spam": "one",
    "GET /v1/price-books": "list", "GET /v1/price-books/<uuid:book_id>": "one",
    "GET /v1/price-books/<uuid:book_id>/editions": "one",
    "GET /v1/price-books/<uuid:book_id>/editions/<int:edition>": "one",
    "GET /v1/agencies/<uuid:agency_id>/billing/accounts": "one",
    **{
        f"GET {path}/billing{end}": "one"
        for path in ("/v1/clients/<uuid:client_id>", "/v1/agencies/<uuid:agency_id>")
        for end in (
            "", "/entries", "/usage", "/statements", "/statements/<month>", "/statements/<month>/file",
        )
    },
    "GET /v1/billing/reratings": "list", "GET /v1/billing/reratings/<uuid:rerating_id>": "one",
    "GET /v1/calls/<uuid:call_id>/charges": "one", "GET /v1/clients/<uuid:client_id>/document": "one",
    **dict.fromkeys(BODIES, "body"),
}  # fmt: skip
#: Lists that hold what every tenant may see (permissions, one's own sessions): there is no other tenant's in them.
NOBODYS = {
    "GET /v1/permissions", "GET /v1/session", "GET /v1/sessions", "POST /v1/session/password",
    "POST /v1/session/second-factor", "POST /v1/session/second-factor/confirm", "POST /v1/session/second-factor/remove",
    # Each of its rows is answered as it would be alone: the answer is 200, the row's 404.
    "POST /v1/bulk",
}  # fmt: skip
PUBLIC_ROWS = {
    "/v1/sessions",
    "/v1/invitations/accept",
    "/v1/password-resets",
    "/v1/password-resets/complete",
    "/v1/oauth/token",
    "/v1/brand",
    "/v1/brand/logo",
    "/v1/report-subscriptions/way-out",
    "/healthz",
    "/readyz",
    "/metrics",
    "/noc",
    "/t/<token>/visit",
    "/t/<token>/beat",
    "/t/<token>/leave",
    "/t/<token>/click",
    "/t/<token>/code",
    "/t/swap/<name>",
    "/v1/openapi.json",
    "/v1/reference",
    "/v1/recordings/heard/<token>",
    "/v1/privacy/keys",
    "/v1/event-schemas",
    "/v1/event-schemas/<event_type>",
}


def endpoints_of(app: APIFlask) -> dict[str, Endpoint]:
    found = {}
    for rule in app.url_map.iter_rules():
        made = getattr(app.view_functions[rule.endpoint], "declaration", None)
        if isinstance(made, Endpoint):
            found[f"{made.method} {made.path}"] = made
    return found


def test_given_the_application_when_listed_then_every_endpoint_has_a_row_here(app: APIFlask) -> None:
    assert set(endpoints_of(app)) == set(ROWS)
    public = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "declaration", None) == PUBLIC
    }
    assert public == PUBLIC_ROWS
    assert {rule.endpoint for rule in app.url_map.iter_rules()} - {"static"} == {
        rule.endpoint for rule in app.url_map.iter_rules() if rule.rule in PUBLIC_ROWS or rule.rule in _paths()
    }


def _paths() -> set[str]:
    return {row.split(" ", 1)[1] for row in ROWS}


@pytest.fixture
def owned(services: ApiServices, make_tenant: Callable[[str], Tenant], tmp_path: Path) -> tuple[Tenant, dict[str, str]]:
    """The tenant whose things are asked for, and the id of each of its things."""
    victim = make_tenant("Victimname")
    agency, client = victim.agency["id"], victim.client["id"]
    call = store_call(services, agency, client, recorded=True, caller="+442079467777", target=victim.target["id"])
    bring_home(services, due_of(call, agency, client), tmp_path, wav())
    put_live_call(services, agency, client, call, caller="+442079467777")
    [key] = [one for one in services.tenancy.list_keys(UUID(agency)).items if str(one.client_id) == client]
    block = services.admission.add_blocks(UUID(agency), UUID(client), [NewBlock("number", "+442079467777")])[0]
    trunk = services.trunks.create_trunk(TrunkValues(name="victimname", host="victimname.example", costs={"+": "1"}))
    hold = services.privacy.place_hold(UUID(agency), UUID(client), "call", reason="Victimname", by="x", call_id=call)
    request, _ = services.privacy.ask(UUID(agency), UUID(client), "export", "+442079467777", by="x")
    signer = Signer(services.database, SecretsBox([b"k" * 32]))
    with services.database.tenant(agency) as connection:
        receipt = signer.write(
            connection, agency_id=UUID(agency), client_id=UUID(client), kind="export", made_at=services.clock.now(),
            facts={"rule": "Victimname"},
        )  # fmt: skip
    assert sequence(services.database) > 0
    event = victim.client_key.get("/v1/events?types=call.ended").get_json()["data"][0]["id"]
    hook = victim.client_key.made("/v1/webhooks", {"url": "https://victimname.example/"})
    test = victim.client_key.post(f"/v1/webhooks/{hook['id']}/test", {}).get_json()
    integration = victim.client_key.made("/v1/integrations", {**TELEGRAM, "name": "Victimname"})["id"]
    answer = victim.client_key.post(
        f"/v1/integrations/{integration}/backfill", {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    )
    assert answer.get_json()["count"] > 0
    told = victim.client_key.get(f"/v1/integrations/{integration}/deliveries").get_json()["data"][0]["id"]
    span = {"from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    export = victim.client_key.post(
        "/v1/exports", {"client_id": client, "content": "calls", "format": "csv", **span}
    ).get_json()["id"]
    job = Job(1, "exports.make", 1, {"agency_id": agency, "export_id": export})
    objects = open_store(str(tmp_path / "objects"))
    assert ExportMaker(services.database, ExportPlaces(objects)).make(job) == Done()
    schedule = victim.agency_key.made(
        "/v1/export-schedules",
        {"client_id": client, "name": "Victimname", "content": "calls", "format": "csv", "every": "daily", "hour": 0},
    )["id"]
    site = victim.client_key.made("/v1/sites", {"name": "Victimname", "domains": ["victimname.example"]})
    victim.client_key.ask("PUT", f"/v1/sites/{site['id']}/rules/draft", {"rules": {}})
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "victimname.csv").write_text(
        "e164,country,region,kind\n+442079468801,GB,London,local\n+442079468889,GB,London,local\n"
    )
    carrier = services.carriers.create_carrier(CarrierValues("victimname", "inventory", "victimname.csv"))
    order = services.carriers.order(
        UUID(agency), UUID(client), "+442079467771", carrier_id=carrier.id, label="Victimname",
        port={"losing_carrier": "Victimname"}, submit=False,
    )  # fmt: skip
    leaving = services.numbers.add_number(agency, client, "+442079467772", carrier_id=carrier.id, label="Victimname")
    services.numbers.release_number(agency, leaving.id)
    hours = {"client_id": client, "name": "Victimname", "hours": {"weekly": {"mon": [["09:00", "18:00"]]}}}
    opened = victim.agency_key.made("/v1/schedules", hours)["id"]
    pool = victim.agency_key.made("/v1/pools", {"client_id": client, "name": "Victimname"})["id"]
    book = victim.agency_key.made("/v1/price-books", {"side": "client", "name": "Victimname", "currency": "GBP"})["id"]
    victim.agency_key.made(f"/v1/price-books/{book}/editions", {"valid_from": "2026-01-01T00:00:00Z"})
    victim.agency_key.made(f"/v1/clients/{client}/billing", {"currency": "GBP", "price_book_id": book})
    rerating = victim.agency_key.post("/v1/billing/reratings", {**span, "client_id": client}).get_json()["id"]
    live = services.visits.open_site(site["token"])
    arrival = Arrival(page="https://victimname.example/", referrer=None, user_agent=BROWSER, address=None)
    visit = services.visits.arrive(live, arrival).visit
    assert visit is not None
    people = services.people
    role = people.create_role(UUID(agency), name="Victimname", permissions=["calls.read"], held=ALL)
    user = people.invite(
        UUID(agency), UUID(client), email="victim@victimname.example", name="Victimname", role="owner", role_id=None,
        language=None, held=ALL,
    )  # fmt: skip
    subscription = victim.client_key.made("/v1/report-subscriptions", {"user_id": str(user.id), "kind": "daily"})["id"]
    watcher = signed_in(services, victim.client_key.app, agency, client, email="w@victimname.example", role="owner")
    session = watcher.get("/v1/sessions").get_json()["data"][0]["id"]
    ids = {
        "subscription": subscription, "hours": opened, "user": str(user.id), "role": str(role.id), "session": session,
        "carrier": str(carrier.id), "order": str(order.id), "return": str(leaving.id),
        "site": site["id"], "pool": pool, "visit": str(visit.id),
        "export": export, "schedule": schedule, "book": book, "rerating": rerating,
        "agency": agency, "client": client, "target": victim.target["id"], "flow": victim.flow["id"],
        "number": victim.number["id"], "call": str(call), "key": str(key.id),
        "block": str(block.id), "trunk": str(trunk.id), "event": event,
        "hold": str(hold.id), "request": str(request.id), "receipt": str(receipt.id),
        "webhook": hook["id"], "delivery": test["id"], "integration": integration, "integration_delivery": told,
    }  # fmt: skip
    return victim, ids


def requests_of(row: str, ids: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Everything that is tried with one endpoint: path and body, with and without naming the other tenant."""
    method, path = row.split(" ", 1)
    for argument, name in IDS.items():
        path = path.replace(f"<uuid:{argument}>", ids[name])
    path = path.replace("/files/<name>", f"/files/{ids['client']}.csv")
    path = path.replace("<int:edition>", "1").replace("<month>", "2026-11").replace("<table>", "calls")
    if method == "GET" and path.endswith("/usage"):
        path += "?from=2026-11-01&until=2026-12-01"
    bodies: list[Any] = [make(ids) for make in BODIES.get(row, ())] or [None]
    for body in bodies:
        yield method, path, body
        yield method, f"{path}{'&' if '?' in path else '?'}agency_id={ids['agency']}", body
    if ROWS[row] == "list" and row not in {
        "GET /v1/agencies",
        "GET /v1/archive",
        "GET /v1/clients",
        "GET /v1/keys",
        "GET /v1/nodes",
        "GET /v1/noc",
        "GET /v1/scrape-targets",
        "GET /v1/scrape-targets/agencies",
        "GET /v1/agency-metrics",
        "GET /v1/roles",
        "GET /v1/price-books",
        "GET /v1/billing/reratings",
        "GET /v1/available-numbers",
        "GET /v1/prompts",
        "GET /v1/carriers",
        *NOBODYS,
    }:
        yield method, f"{path}?client_id={ids['client']}", None


Rows = dict[str, str]


def rows_of(engine: Engine, agency: str, client: str | None) -> Rows:
    """A digest of everything that a tenant has, table by table: what was refused changed none of it.

    What reading itself writes is left out: last uses, sessions' last signs, answers kept under a stranger's own key.
    """
    found = {}
    with engine.connect() as connection:
        for table, column in TENANT.items():
            if table in {"api_keys", "sessions", "idempotency_keys", "audit_log"} or (client and column is None):
                continue
            mine = f" AND {column} = '{client}'" if client else ""
            found[table] = connection.exec_driver_sql(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
                f" WHERE agency_id = '{agency}'{mine}"
            ).scalar_one()
    return found


def secrets_of(victim: Tenant, ids: Mapping[str, str], *, sibling: bool) -> list[str]:
    """What nobody else may read. A sibling knows the agency's id, name and roles: they are its own."""
    # A carrier is the operator's, and named to whoever may order of it.
    shared = {"carrier", *(("agency", "trunk", "role") if sibling else ())}
    told = ["Victimname first" if sibling else "Victimname", "+442079467777", victim.number["number"]]
    return told + [value for name, value in ids.items() if name not in shared]


def walk(
    asker: Asker,
    who: str,
    ids: Mapping[str, str],
    secrets: list[str],
    allowed: Callable[[str, str], set[int] | None],
    *,
    thorough: bool = True,
) -> int:  # fmt: skip
    """Asks every endpoint for the victim's things; returns how often. ``allowed(row, path)``: the statuses that it may
    answer with, None for any. Not ``thorough``: without naming the other tenant besides, which is the same for every
    role."""
    count = 0
    for row in ROWS:
        for method, path, body in requests_of(row, ids):
            if not thorough and "?agency_id=" in path:
                continue
            answer = asker.ask(method, path, body, If_Match="*")
            sent = f"{who}: {method} {path} {json.dumps(body)}"
            wanted = allowed(row, path)
            assert wanted is None or answer.status_code in wanted, f"{sent} → {answer.status_code} {answer.text}"
            told = answer.data + json.dumps(dict(answer.headers)).encode()
            for secret in secrets:
                assert secret in sent or secret.encode() not in told, f"{sent} tells {secret}"
            assert b"RIFF" not in answer.data, sent
            count += 1
    return count


def refused_unless_own(app: APIFlask, reach: str, permissions: frozenset[str], named: str) -> Callable[..., set[int]]:
    """A list of one's own is answered; everything else is not there, or not for this role."""
    endpoints = endpoints_of(app)

    def allowed(row: str, path: str) -> set[int]:
        made = endpoints[row]
        may = reach in made.roles and set(made.permissions) <= permissions
        is_own = ROWS[row] == "list" and named not in path
        if row in NOBODYS:
            return {200, 401, 403, 404, 409, 422, 429}
        return {200} if is_own and may else {403, 404}

    return allowed


def askers_of(
    services: ApiServices, app: APIFlask, agency: str, client: str | None, key: Asker
) -> Iterator[tuple[str, Asker, frozenset[str]]]:
    """Everybody whom a tenant can let in: a key, a user of each role, and one of a role of its own."""
    yield "key", key, ALL
    where = client or agency
    for role, permissions in BUILT_IN.items():
        email = f"{role}@{where}.example"
        yield role, signed_in(services, app, agency, client, email=email, role=role), permissions
    held = frozenset({"calls.read", "numbers.write", "privacy.read"})
    made = services.people.create_role(UUID(agency), name=f"own {where}", permissions=held, held=ALL)
    yield "own role", signed_in(services, app, agency, client, email=f"own@{where}.example", role_id=made.id), held


@pytest.mark.timeout(600)
def test_isolation_of_every_endpoint_for_every_role_and_somebody_elses_things(
    owned: tuple[Tenant, dict[str, str]],
    make_tenant: Callable[[str], Tenant],
    services: ApiServices,
    app: APIFlask,
    owner_engine: Engine,
    record_property: Callable[[str, object], None],
) -> None:
    """A sibling client of the victim's agency, and another agency with its client, each with every role."""
    victim, ids = owned
    stranger = make_tenant("Stranger")
    groups = [
        ("foreign agency", "agency", stranger.agency["id"], None, stranger.agency_key, False),
        ("foreign client", "client", stranger.agency["id"], stranger.client["id"], stranger.client_key, False),
        ("sibling", "client", victim.agency["id"], victim.sibling["id"], victim.sibling_key, True),
    ]
    askers = [
        (relation, reach, sibling, *one)
        for relation, reach, agency, client, key, sibling in groups
        for one in askers_of(services, app, agency, client, key)
    ]
    before = rows_of(owner_engine, victim.agency["id"], victim.client["id"])
    count = walk(Asker(app, None), "nobody", ids, secrets_of(victim, ids, sibling=False), lambda *_: {401})
    for relation, reach, sibling, role, asker, permissions in askers:
        named = "client_id" if sibling else "?"
        allowed = refused_unless_own(app, reach, permissions, named)
        secrets = secrets_of(victim, ids, sibling=sibling)
        count += walk(asker, f"{relation}, {role}", ids, secrets, allowed, thorough=role == "key")
    assert rows_of(owner_engine, victim.agency["id"], victim.client["id"]) == before
    record_property(
        "said",
        f"isolation: {len(ROWS)} endpoints × {len(askers) + 1} askers (roles × relations), {count} requests, no leak",
    )


class Silent:
    """A log that nobody reads."""

    def error(self, *_: object, **__: object) -> None:
        return

    warning = error


@pytest.mark.timeout(600)
def test_isolation_by_row_level_security_alone(
    owned: tuple[Tenant, dict[str, str]],
    make_tenant: Callable[[str], Tenant],
    app: APIFlask,
    owner_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """The application's checks are switched off: any role, any permission, and whatever tenant a request names, or a
    whole agency for a client's key. What is left is the floor and the policies of the database."""
    victim, ids = owned
    stranger = make_tenant("Stranger")
    askers = [
        ("foreign agency", stranger.agency_key, False), ("foreign client", stranger.client_key, False),
        ("sibling", victim.sibling_key, True),
    ]  # fmt: skip
    before = rows_of(owner_engine, victim.agency["id"], victim.client["id"])

    def believe(services: ApiServices, principal: Principal, agency: UUID | None, client: UUID | None) -> Asked:
        return Asked(services, principal, agency or principal.agency_id, client)

    # What the database refuses is an internal error then; its traceback, written in full, would cost most of the time.
    monkeypatch.setattr(problems_module, "log", Silent())
    monkeypatch.setattr(endpoint_module, "need_role", lambda *_: None)
    monkeypatch.setattr(endpoint_module, "need_permissions", lambda *_: None)
    monkeypatch.setattr(endpoint_module, "tenant_of", believe)
    count = 0
    for who, asker, sibling in askers:
        secrets = [one for one in secrets_of(victim, ids, sibling=sibling) if one != ids["trunk"]]
        count += walk(asker, who, ids, secrets, lambda *_: None)
    monkeypatch.undo()
    assert rows_of(owner_engine, victim.agency["id"], victim.client["id"]) == before
    record_property("said", f"isolation by row-level security alone: {len(ROWS)} endpoints, {count} requests, no leak")


def test_isolation_of_cursors_exports_and_webhooks(
    owned: tuple[Tenant, dict[str, str]], make_tenant: Callable[[str], Tenant], services: ApiServices, tmp_path: Path
) -> None:
    """What carries a tenant without naming it: a place in a list, a file that is made later, a message that is sent."""
    victim, ids = owned
    stranger = make_tenant("Stranger")
    for path in ("/v1/clients", "/v1/keys", "/v1/events", "/v1/audit-log"):
        cursor = victim.agency_key.get(f"{path}?limit=1").get_json()["next_cursor"]
        assert cursor is not None, path
        for asker in (stranger.agency_key, victim.sibling_key):
            assert asker.get(f"{path}?cursor={cursor}").status_code in {400, 403, 422}, path
    hooks = [
        (asker, asker.made("/v1/webhooks", {"url": "https://listener.example/"})["id"])
        for asker in (stranger.agency_key, victim.sibling_key)
    ]
    store_call(services, victim.agency["id"], victim.client["id"], minute=7, caller="+442079467777")
    assert sequence(services.database) > 0
    maker = ExportMaker(services.database, ExportPlaces(open_store(str(tmp_path / "objects"))))
    for asker, hook in hooks:
        assert asker.get(f"/v1/webhooks/{hook}/deliveries").get_json()["data"] == []
    for tenant, asker in ((stranger, stranger.client_key), (victim, victim.sibling_key)):
        client = tenant.client["id"] if tenant is stranger else victim.sibling["id"]
        span = {"from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
        for content in ("calls", "events"):
            body = {"client_id": client, "content": content, "format": "ndjson", **span}
            made = asker.post("/v1/exports", body).get_json()["id"]
            job = Job(1, "exports.make", 1, {"agency_id": tenant.agency["id"], "export_id": made})
            assert maker.make(job) == Done()
            for file in asker.get(f"/v1/exports/{made}").get_json()["files"]:
                told = asker.get(f"/v1/exports/{made}/files/{file['name']}").data
                for secret in secrets_of(victim, ids, sibling=True):
                    assert secret.encode() not in told, f"an export of {content} tells {secret}"


def test_given_an_agency_when_its_sibling_clients_key_lists_then_it_sees_its_own_only(
    owned: tuple[Tenant, dict[str, str]],
) -> None:
    victim, _ = owned
    assert [row["id"] for row in victim.sibling_key.get("/v1/clients").get_json()["data"]] == [victim.sibling["id"]]
    for kind in ("targets", "flows", "numbers", "calls", "calls/live"):
        assert victim.sibling_key.get(f"/v1/{kind}").get_json()["data"] == []
