"""An amoCRM or Kommo account, as far as calls need it, from the public documentation of the API v4
(developers.kommo.com) and amoCRM's own client: a call finds its place by the last ten digits or is not added, which a
200 or a 400 says in `errors`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from .server import Asked, Said, VendorServer

TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.long-lived"
UTM_FIELDS = {"UTM_SOURCE": 101, "UTM_MEDIUM": 102, "UTM_CAMPAIGN": 103, "UTM_CONTENT": 104, "UTM_TERM": 105}


class AmocrmServer(VendorServer):
    """One account with one private integration and one application."""

    def __init__(self) -> None:
        self.contacts: list[dict[str, Any]] = []
        self.leads: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.unsorted: list[dict[str, Any]] = []
        self.access, self.refresh, self.renewals = "access-token-0", "refresh-token-0", 0
        super().__init__()

    def expire(self) -> None:
        """The access token that was given last is over."""
        self.access = "nobody has this one"

    def know(self, phone: str) -> int:
        """Somebody has this number."""
        self.contacts.append({"id": len(self.contacts) + 501, "phone": phone})
        return int(self.contacts[-1]["id"])

    def handle(self, asked: Asked) -> Said:
        if asked.path == "/oauth2/access_token":
            return self._renew(asked.body or {})
        if asked.headers.get("authorization") not in {f"Bearer {TOKEN}", f"Bearer {self.access}"}:
            return problem(401, "Unauthorized")
        path = asked.path.removeprefix("/api/v4/")
        done = getattr(self, "_" + asked.method.lower() + "_" + path.replace("/", "_"), None)
        if done is None:
            return problem(404, "Not Found")
        answer: Said = done(asked.body if asked.method == "POST" else asked.query)
        return answer

    def _renew(self, body: Mapping[str, Any]) -> Said:
        wanted = {"client_id", "client_secret", "grant_type", "refresh_token", "redirect_uri"}
        if body.get("refresh_token") != self.refresh or wanted - body.keys():
            return problem(400, "The refresh token is invalid.")
        self.renewals += 1
        self.access, self.refresh = f"access-token-{self.renewals}", f"refresh-token-{self.renewals}"
        tokens = {"access_token": self.access, "refresh_token": self.refresh}
        return Said(200, {"token_type": "Bearer", "expires_in": 86400, **tokens})

    def _get_account(self, _query: Mapping[str, str]) -> Said:
        return Said(200, {"id": 1, "name": "Shop", "currency": "RUB"})

    def _get_leads_pipelines(self, query: Mapping[str, str]) -> Said:
        return listed("pipelines", [{"id": 11}, {"id": 12}], query)

    def _get_leads_custom_fields(self, query: Mapping[str, str]) -> Said:
        fields = [{"id": id_, "code": code} for code, id_ in UTM_FIELDS.items()]
        return listed("custom_fields", [{"id": 90, "code": None}, *fields], query)

    # --- Calls. ---

    def _post_calls(self, items: list[dict[str, Any]]) -> Said:
        made, errors = [], []
        for item in items:
            missing = {"direction", "duration", "source", "phone"} - item.keys()
            if missing:
                return problem(400, "Request validation failed", [(item, sorted(missing)[0], "This field is missing.")])
            contact = next((one for one in self.contacts if same(one["phone"], item["phone"])), None)
            if contact is None:
                errors.append({"title": "Error", "detail": "Entity not found", "request_id": item.get("request_id")})
                continue
            made.append(self._add_call(contact, item))
        body = {"_total_items": len(made), "errors": errors, "_embedded": {"calls": made}}
        return Said(200 if made or not errors else 400, body)

    def _add_call(self, contact: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
        call = {
            "id": len(self.calls) + 7001, "entity_id": contact["id"], "entity_type": "contact",
            "request_id": item.get("request_id"), "said": dict(item),
        }  # fmt: skip
        self.calls.append(call)
        return call

    def _notes(self, kind: str, query: Mapping[str, str]) -> Said:
        rows = [
            {"id": one["id"], "entity_id": one["entity_id"], "note_type": "call_in", "params": one["said"]}
            for one in self.calls
            if f"{one['entity_type']}s" == kind and query.get("filter[note_type][]") == "call_in"
        ]
        return listed("notes", rows, query)

    def _get_contacts_notes(self, query: Mapping[str, str]) -> Said:
        return self._notes("contacts", query)

    def _get_leads_notes(self, query: Mapping[str, str]) -> Said:
        return self._notes("leads", query)

    def _get_companies_notes(self, query: Mapping[str, str]) -> Said:
        return self._notes("companies", query)

    # --- Leads. ---

    def _post_leads_complex(self, items: list[dict[str, Any]]) -> Said:
        made = []
        for item in items:
            if item.get("pipeline_id") not in {None, 11, 12}:
                return problem(400, "Request validation failed", [(item, "pipeline_id", "Not found")])
            contact = self.know(phone_of(item["_embedded"]["contacts"][0]))
            self.leads.append({**item, "id": len(self.leads) + 1, "contact_id": contact, "updated_at": _now()})
            made.append(
                {"id": self.leads[-1]["id"], "contact_id": contact, "request_id": [item.get("request_id")]}
            )  # fmt: skip
        return Said(200, made)

    def change(self, lead_id: int, **values: Any) -> None:
        """Somebody changes a lead."""
        self.leads[lead_id - 1] |= {**values, "updated_at": _now()}

    def _get_leads(self, query: Mapping[str, str]) -> Said:
        since = int(query.get("filter[updated_at][from]", 0))
        rows = [{"price": 0, "status_id": 1, **one} for one in self.leads if one["updated_at"] >= since]
        return listed("leads", sorted(rows, key=lambda one: one["updated_at"]), query)

    def _post_leads_unsorted_sip(self, items: list[dict[str, Any]]) -> Said:
        for item in items:
            if any(one["metadata"] == item["metadata"] for one in self.unsorted):
                return problem(400, "Such an entry is there already")
            self.unsorted.append({**item, "uid": f"uid-{len(self.unsorted)}"})
        made = [{"uid": one["uid"]} for one in self.unsorted[-len(items) :]]
        return Said(200, {"_total_items": len(made), "_embedded": {"unsorted": made}})

    def _get_leads_unsorted(self, query: Mapping[str, str]) -> Said:
        return listed("unsorted", self.unsorted[::-1], query)


def _now() -> int:
    return int(time.time())


def same(one: str, other: str) -> bool:
    """The last ten digits decide."""
    return _digits(one)[-10:] == _digits(other)[-10:]


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def phone_of(contact: Mapping[str, Any]) -> str:
    fields = contact["custom_fields_values"]
    return str(next(one["values"][0]["value"] for one in fields if one.get("field_code") == "PHONE"))


def listed(name: str, rows: list[dict[str, Any]], query: Mapping[str, str]) -> Said:
    """A page of a list; an empty one has no body."""
    page, limit = int(query.get("page", 1)), min(int(query.get("limit", 50)), 250)
    shown = rows[(page - 1) * limit :][:limit]
    return Said(200, {"_page": page, "_embedded": {name: shown}}) if shown else Said(204, b"")


def problem(status: int, detail: str, faults: Iterable[tuple[Mapping[str, Any], str, str]] = ()) -> Said:
    """As the account says no."""
    errors = [
        {"request_id": item.get("request_id"), "errors": [{"code": "Invalid", "path": path, "detail": text}]}
        for item, path, text in faults
    ]
    body = {"title": "Bad Request", "type": "https://httpstatus.es/400", "status": status, "detail": detail}
    body |= {"validation-errors": errors} if errors else {}
    return Said(status, body, {"Content-Type": "application/problem+json"})
