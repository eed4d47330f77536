"""An agency with clients, targets, flows and numbers, made through the public API."""

from collections.abc import Mapping
from typing import Any

from ..apiclient import ApiClient
from .mix import KINDS, Provisioned, number_at
from .sound import ANNOUNCEMENT_HZ

CLIENTS = ("Demo Dental", "Demo Motors")
RING_TIMEOUT_S = 3


def provision(operator: ApiClient, base_url: str, targets: Mapping[str, str]) -> tuple[ApiClient, Provisioned]:
    """Everything that a demonstration calls; ``targets`` maps a kind of target to its SIP URI.

    Returns a client with the new agency's own key, and the numbers by kind.
    """
    agency = operator.post("/v1/agencies", {"name": "Demo Agency"})
    key = operator.post("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "demo"})
    own = ApiClient(base_url, key["token"])
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in CLIENTS:
        client = own.post("/v1/clients", {"name": name, "time_zone": "Europe/London"})
        for kind, document in flow_documents(own, client["id"], targets):
            flow = own.post("/v1/flows", {"client_id": client["id"], "name": kind, "document": document})
            number = number_at(sum(len(numbers) for numbers in by_kind.values()))
            own.post("/v1/numbers", {"client_id": client["id"], "number": number, "flow_id": flow["id"], "label": kind})
            by_kind[kind].append(number)
    by_kind["unknown"] = [number_at(900), number_at(901)]
    return own, Provisioned(by_kind)


def flow_documents(own: ApiClient, client_id: str, targets: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """One flow for each case: plain, announced, second target after a busy one, busy, unanswered, cancelled."""
    ids = {
        kind: own.post(
            "/v1/targets",
            {"client_id": client_id, "name": kind, "address": uri, "ring_timeout_s": RING_TIMEOUT_S},
        )["id"]
        for kind, uri in targets.items()
    }
    notice = {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": ANNOUNCEMENT_HZ, "duration_ms": 300}}

    def document(*rung: str, first: dict[str, Any] | None = None) -> dict[str, Any]:
        ring = {"type": "ring", "targets": [ids[kind] for kind in rung]}
        return {"version": 1, "record": True, "steps": [step for step in (first, ring) if step]}

    return [
        ("answered", document("answers")),
        ("answered", document("answers", first=notice)),
        ("answered", document("busy", "answers")),
        ("busy", document("busy")),
        ("unanswered", document("unanswered")),
        ("cancelled", document("unanswered")),
    ]
