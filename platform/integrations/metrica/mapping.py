"""Calls as lines of the files that Yandex.Metrica takes. Pure.

A line is joined to the visit before it by Metrica's client id, which exceeds 2^53 and stays a text, or by
Yandex.Direct's click; whether both may stand in one file is not documented, so they never do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ..facts import CallFacts
from .settings import MetricaSettings

#: A visit that is older when the file comes is not joined.
OLDEST = timedelta(days=21)


def is_wanted(call: CallFacts, settings: MetricaSettings) -> bool:
    """Whether the client wants this call told."""
    if settings.calls != "all" and (settings.calls == "missed") != call.is_missed:
        return False
    return call.talk_s >= settings.min_talk_s


def identifier(call: CallFacts) -> tuple[str, str] | None:
    """By which column and value Metrica knows the visitor; None: it was not told."""
    if call.visit is None:
        return None
    if client := call.visit.analytics_ids.get("ym"):
        return "ClientId", str(client)
    if click := call.visit.click_ids.get("yclid"):
        return "Yclid", click
    return None


def line(call: CallFacts, settings: MetricaSettings, known_by: tuple[str, str]) -> dict[str, Any]:
    """A call as a line, by column."""
    said: dict[str, Any] = {known_by[0]: known_by[1], "DateTime": int(call.started_at.timestamp())}
    if settings.upload == "conversions":
        said["Target"] = settings.goal
    else:
        said |= {
            "StaticCall": 0,
            "TalkDuration": call.talk_s,
            "HoldDuration": round(call.ring_ms / 1000),
            "CallMissed": int(call.is_missed),
            "Tag": call.outcome or "",
            "URL": call.visit.landing_page if call.visit is not None else "",
        }
        if settings.tell_caller:
            said["PhoneNumber"] = call.caller or ""
    if settings.value is not None:
        said |= {"Price": f"{settings.value:.2f}", "Currency": settings.currency}
    return said


def written(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """The file: all lines have the same columns."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def pretend(method: str, what: str, _body: Mapping[str, Any]) -> dict[str, Any]:
    """What Metrica answers to a file that it takes."""
    if method == "POST":
        return {"uploading": {"id": 1, "status": "UPLOADED"}}
    return {"uploadings": []} if what.endswith("uploadings") else {}
