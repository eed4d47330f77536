"""Yandex.Metrica's management API, as far as files of calls need it, from its public documentation
(yandex.com/dev/metrika): CSV files as form data, uploads that are worked off by and by, its own form of errors.
"""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from .server import Asked, Said, VendorServer

TOKEN = "y0_AgAAAAAExampleExampleExample"
COUNTER = 90000001
_COLUMNS = {
    "calls": {
        "UserId", "ClientId", "Yclid", "DateTime", "StaticCall", "Price", "Currency", "PhoneNumber", "TalkDuration",
        "HoldDuration", "CallMissed", "Tag", "FirstTimeCaller", "URL", "CallTrackerURL",
    },
    "conversions": {"UserId", "ClientId", "Yclid", "PurchaseId", "Target", "DateTime", "Price", "Currency"},
}  # fmt: skip
_WHO = {"UserId", "ClientId", "Yclid", "PurchaseId"}


class MetricaServer(VendorServer):
    """One counter of one user."""

    def __init__(self) -> None:
        #: Every upload with its lines, in their order.
        self.uploads: list[dict[str, Any]] = []
        #: Whom the counter has seen; None: everybody.
        self.known: set[str] | None = None
        self.is_window_open = True
        #: How often an upload's state is asked for before it is worked off.
        self.slowness = 1
        #: Lines that are wrong for reasons of its own: one refuses the whole file.
        self.is_wrong: Callable[[Mapping[str, str]], bool] = lambda _line: False
        super().__init__()

    def lines(self) -> list[dict[str, str]]:
        """Of all files."""
        return [one for upload in self.uploads for one in upload["lines"]]

    def handle(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"OAuth {TOKEN}":
            return refused(403, "invalid_token", "Invalid oauth_token")
        found = re.fullmatch(rf"/management/v1/counter/{COUNTER}(?:/offline_conversions/(.+))?", asked.path)
        if found is None:
            return refused(404, "not_found", "Entity not found")
        if found[1] is None:
            options = dict.fromkeys(("offline_calls", "offline_conversion"), self.is_window_open)
            flags = {f"{name}_extended_threshold": value for name, value in options.items()}
            return Said(200, {"counter": {"id": COUNTER, "name": "Shop", "offline_options": flags}})
        place, _, id_ = found[1].partition("/")
        kind = "calls" if place.startswith(("upload_calls", "calls_")) else "conversions"
        if asked.method == "POST" and place in {"upload", "upload_calls"}:
            return self._take(kind, asked)
        mine = [one for one in self.uploads if one["kind"] == kind]
        if place.endswith("uploadings"):
            first, most = int(asked.query.get("offset", 1)) - 1, int(asked.query.get("limit", 100))
            return Said(200, {"uploadings": [_shown(one) for one in mine[::-1][first : first + most]]})
        for one in mine:
            if str(one["id"]) == id_:
                return Said(200, {"uploading": _shown(self._worked_off(one))})
        return refused(404, "not_found", "Entity not found")

    def _take(self, kind: str, asked: Asked) -> Said:
        text = _file_of(asked)
        if text is None:
            return refused(400, "missing_parameter", "file")
        reader = csv.DictReader(io.StringIO(text))
        lines, columns = list(reader), set(reader.fieldnames or ())
        faults = columns - _COLUMNS[kind] or (not columns & _WHO and {"no identifier"}) or set()
        if kind == "conversions" and "Target" not in columns:
            faults = faults | {"Target"}
        if faults or any(self._is_wrong(one) for one in lines):
            return refused(400, "invalid_uploading", f"{sorted(faults) or 'a line'} is not valid")
        upload = {
            "id": len(self.uploads) + 1, "kind": kind, "comment": asked.query.get("comment", ""), "lines": lines,
            "status": "UPLOADED", "asked": 0,
        }  # fmt: skip
        self.uploads.append(upload)
        return Said(200, {"uploading": _shown(upload)})

    def _is_wrong(self, line: Mapping[str, str]) -> bool:
        moment = line.get("DateTime", "")
        return not moment.isdigit() or int(moment) > time.time() or self.is_wrong(line)

    def _worked_off(self, upload: dict[str, Any]) -> dict[str, Any]:
        upload["asked"] += 1
        if upload["asked"] >= self.slowness:
            who = {line.get("ClientId") or line.get("Yclid") or "" for line in upload["lines"]}
            is_linked = self.known is None or bool(who & self.known)
            upload["status"] = "PROCESSED" if is_linked else "LINKAGE_FAILURE"
        return upload


def _shown(upload: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: upload[name] for name in ("id", "comment", "status")}, "line_quantity": len(upload["lines"])}


def _file_of(asked: Asked) -> str | None:
    """The part `file` of a form."""
    boundary = re.fullmatch(r"multipart/form-data; boundary=([\w-]+)", asked.headers.get("content-type", ""))
    if boundary is None or not isinstance(asked.body, bytes):
        return None
    for part in asked.body.split(b"--" + boundary[1].encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n").decode()
    return None


def refused(status: int, error_type: str, message: str) -> Said:
    """As Metrica says no."""
    errors = [{"error_type": error_type, "message": message}]
    return Said(status, {"errors": errors, "code": status, "message": message})
