"""Where a reader may go: what he may not see is not offered. Pure, but for the address of the page that is open."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from .reader import Reader
from .texts import N_

EVERYBODY = ("operator", "agency", "client")
AGENCY = ("operator", "agency")


@dataclass(frozen=True)
class Place:
    """A page of the navigation. It is about an agency's things, so the operator chooses one first."""

    path: str
    label: str
    permission: str
    reaches: tuple[str, ...] = EVERYBODY


SECTIONS: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (N_("Calls"), (
        Place("home", N_("Home"), "calls.read"),
        Place("calls", N_("Call log"), "calls.read"),
        Place("live", N_("Live calls"), "calls.read"),
    )),
    (N_("Reports"), (
        Place("reports/daily", N_("Daily report"), "calls.read"),
        Place("reports/weekly", N_("Weekly report"), "calls.read"),
        Place("reports/monthly", N_("Monthly report"), "calls.read"),
        Place("reports/own", N_("Report of your own"), "calls.read"),
        Place("reports/missed", N_("Not called back"), "calls.read"),
        Place("reports/settings", N_("What reports go by"), "tenants.read"),
    )),
    (N_("Tracking"), (
        Place("start", N_("First steps"), "flows.write"),
        Place("numbers", N_("Numbers"), "numbers.read"),
        Place("pools", N_("Pools"), "numbers.read"),
        Place("sites", N_("Sites"), "sites.read"),
        Place("flows", N_("Flows"), "flows.read"),
        Place("targets", N_("Targets"), "flows.read"),
        Place("visits", N_("Visits"), "sites.read"),
    )),
    (N_("Management"), (
        Place("money", N_("Accounts and statements"), "billing.read"),
        Place("prices", N_("Price books"), "billing.read", AGENCY),
        Place("users", N_("Users"), "people.read"),
        Place("brand", N_("Brand"), "tenants.read", AGENCY),
        Place("keys", N_("API keys"), "keys.read", AGENCY),
        Place("webhooks", N_("Webhooks"), "webhooks.read"),
        Place("integrations", N_("Integrations"), "integrations.read"),
        Place("privacy", N_("Requests of persons"), "privacy.read"),
        Place("audit", N_("Audit log"), "audit.read", AGENCY),
    )),
)  # fmt: skip


def sections(shown: Reader) -> list[tuple[str, list[Place]]]:
    """What the reader may open, section by section."""
    if shown.user is None:
        return []
    found = [(title, [place for place in places if is_open(shown, place)]) for title, places in SECTIONS]
    return [(title, places) for title, places in found if places]


def is_open(shown: Reader, place: Place) -> bool:
    if place.permission and not shown.may(place.permission):
        return False
    return shown.reach in place.reaches and (shown.holds_agency or place.path == "home")


def is_here(path: str) -> bool:
    """Whether the page that is open stands under this place."""
    return request.path == f"/console/{path}" or request.path.startswith(f"/console/{path}/")
