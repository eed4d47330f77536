"""A Bitrix24 portal, as far as calls need it, written from its public REST documentation (August 2026).

What is odd there is odd here: the search for duplicates answers `[]` for nobody, the same registration (of the same
user) within 30 minutes gives the same call and later another one, a webhook may be refused telephony (`takes_calls`
False), lists have pages of 50.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from .server import Asked, Said, VendorServer

SECRET = "abcdefgh12345678"
#: The same registration gives the same call for so long (externalCall.register, "Dedup rule").
SAME_WITHIN_S = 1800.0
_SAME = ("PHONE_NUMBER", "TYPE", "USER_ID", "LINE_NUMBER", "EXTERNAL_CALL_ID")


def _holds(item: dict[str, Any], name: str, value: Any) -> bool:
    if name.startswith(">="):
        found = item.get(name[2:])
        return found is not None and datetime.fromisoformat(found) >= datetime.fromisoformat(value)
    return bool(item.get(name) == value)


class Bitrix24Server(VendorServer):
    """One portal with one webhook and one application."""

    def __init__(self) -> None:
        self.items: dict[int, list[dict[str, Any]]] = {1: [], 2: [], 3: [], 4: []}
        self.calls: dict[str, dict[str, Any]] = {}
        self.comments: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.takes_calls = True
        self.knows_items = True
        #: Seconds that its clock is ahead of ours: for what it forgets.
        self.ahead_s = 0.0
        self._registered: dict[tuple[str, ...], tuple[float, str]] = {}
        self.access, self.refresh, self.renewals = "access-token-0", "refresh-token-0", 0
        super().__init__()

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/rest/1/{SECRET}/"

    def expire(self) -> None:
        """The access token that was given last is over."""
        self.access = "nobody has this one"

    def handle(self, asked: Asked) -> Said:
        if asked.path == "/oauth/token/":
            return self._renew(asked)
        parts = asked.path.removesuffix(".json").split("/")
        if len(parts) == 5 and (parts[2], parts[3]) != ("1", SECRET):
            return self._no(401, "NO_AUTH_FOUND", "Wrong authorization data")
        if len(parts) == 3 and (asked.body or {}).get("auth") != self.access:
            return self._no(401, "expired_token", "The access token provided has expired.")
        done = getattr(self, "_" + parts[-1].replace(".", "_"), None)
        if done is None or (not self.knows_items and parts[-1].startswith("crm.item.")):
            return self._no(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
        if parts[-1].startswith("telephony.") and not self.takes_calls:
            return self._no(403, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method")
        answer = done(asked.body or {})
        return answer if isinstance(answer, Said) else Said(200, {"result": answer, "time": {"operating": 0.1}})

    def _no(self, status: int, code: str, text: str) -> Said:
        return Said(status, {"error": code, "error_description": text})

    def _renew(self, asked: Asked) -> Said:
        if asked.query.get("refresh_token") != self.refresh:
            return self._no(400, "invalid_grant", "")
        self.renewals += 1
        self.access, self.refresh = f"access-token-{self.renewals}", f"refresh-token-{self.renewals}"
        return Said(200, {"access_token": self.access, "refresh_token": self.refresh, "expires_in": 3600})

    # --- CRM. ---

    def _crm_duplicate_findbycomm(self, body: dict[str, Any]) -> Any:
        found: dict[str, list[int]] = {}
        for type_, name in ((3, "CONTACT"), (4, "COMPANY"), (1, "LEAD")):
            for item in self.items[type_]:
                if {one["value"] for one in item.get("fm", ())} & set(body["values"]):
                    found.setdefault(name, []).append(item["id"])
        return found or []

    def _crm_item_add(self, body: dict[str, Any]) -> Any:
        item = {**body["fields"], "id": sum(map(len, self.items.values())) + 1}
        self.items[body["entityTypeId"]].append(item)
        return {"item": item}

    def _crm_item_list(self, body: dict[str, Any]) -> Any:
        rows = [
            item for item in self.items[body["entityTypeId"]]
            if all(_holds(item, name, value) for name, value in body["filter"].items())
        ]  # fmt: skip
        for name in reversed(body.get("order", {})):
            rows.sort(key=lambda item, name=name: item[name])
        return {"items": rows[body.get("start", 0) :][:50]}

    def turn_into_deal(self, lead_id: int, **values: Any) -> dict[str, Any]:
        """Somebody takes the lead on: it is a deal from now on."""
        fields = {"leadId": lead_id, "opportunity": 0, "currencyId": "RUB", "stageId": "NEW", **values}
        item: dict[str, Any] = self._crm_item_add({"entityTypeId": 2, "fields": fields})["item"]
        return self.move(item)

    def move(self, deal: dict[str, Any], **values: Any) -> dict[str, Any]:
        """Somebody changes a deal."""
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        deal |= {**values, "updatedTime": moment, "movedTime": moment}
        return deal

    def _crm_lead_add(self, body: dict[str, Any]) -> Any:
        fields = body["fields"]
        item = {
            "title": fields["TITLE"], "originatorId": fields["ORIGINATOR_ID"], "originId": fields["ORIGIN_ID"],
            "utmSource": fields.get("UTM_SOURCE"), "fm": [{"value": one["VALUE"]} for one in fields.get("PHONE", ())],
        }  # fmt: skip
        return self._crm_item_add({"entityTypeId": 1, "fields": item})["item"]["id"]

    def _crm_lead_list(self, body: dict[str, Any]) -> Any:
        wanted = body["filter"]["ORIGIN_ID"]
        return [{"ID": str(one["id"]), "ORIGIN_ID": wanted} for one in self.items[1] if one.get("originId") == wanted]

    def _crm_timeline_comment_add(self, body: dict[str, Any]) -> Any:
        self.comments.append({**body["fields"], "ID": str(len(self.comments) + 1)})
        return len(self.comments)

    def _crm_timeline_comment_list(self, body: dict[str, Any]) -> Any:
        return [one for one in self.comments if all(one[name] == value for name, value in body["filter"].items())][:50]

    def _tasks_task_add(self, body: dict[str, Any]) -> Any:
        self.tasks.append(body["fields"])
        return {"task": {"id": str(len(self.tasks))}}

    def _tasks_task_list(self, body: dict[str, Any]) -> Any:
        wanted = body["filter"]["XML_ID"]
        rows = [(place, one["XML_ID"]) for place, one in enumerate(self.tasks, start=1) if one["XML_ID"] == wanted]
        return {"tasks": [{"id": str(place), "xmlId": xml_id} for place, xml_id in rows]}

    def _user_get(self, body: dict[str, Any]) -> Any:
        return [{"ID": "1"}] if body["ID"] == 1 else []

    # --- Telephony. ---

    def _telephony_externalLine_get(self, _body: dict[str, Any]) -> Any:
        return []

    def _telephony_externalCall_register(self, body: dict[str, Any]) -> Any:
        missing = {"USER_ID", "PHONE_NUMBER", "TYPE"} - body.keys()
        if missing:
            return self._no(400, "ERROR_CORE", f"{sorted(missing)} should be set")
        key = tuple(str(body.get(name)) for name in _SAME)
        at_s, call_id = self._registered.get(key, (float("-inf"), ""))
        now_s = time.monotonic() + self.ahead_s
        if now_s - at_s > SAME_WITHIN_S:
            call_id = f"externalCall.{body['EXTERNAL_CALL_ID']}.{len(self.calls)}"
            self._registered[key] = (now_s, call_id)
            self.calls[call_id] = {**body, "finished": None}
        return {"CALL_ID": call_id, "CRM_CREATED_ENTITIES": []}

    def _telephony_externalCall_finish(self, body: dict[str, Any]) -> Any:
        call = self.calls.get(body["CALL_ID"])
        if call is None or call["finished"] is not None:
            return self._no(400, "ERROR_CORE", "Call is not found (call should be registered prior to finishing)")
        call["finished"] = body
        return {"CALL_ID": body["CALL_ID"], "CRM_ACTIVITY_ID": len(self.calls)}
