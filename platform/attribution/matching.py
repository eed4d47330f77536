"""Whose call it is: from exposures and what is known of the call to visits with probabilities.

Each way in which this very call could have come about has a rate at this very moment (`curve`); the probability of a
way is its share of the sum of all. Facts that tell visits apart (region, device, an earlier call of the same person)
multiply the rate of a way by how well it explains the fact. One pure function; must not know how anything is kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .curve import AGAIN, CLICKED, GONE, MOST_HOLDERS, SEEN, Curve, rate_at
from .model import CallSeen, Candidate, Earlier, Exposure, Match, Visit

Kind = Literal["seen", "gone", "clicked", "again", "stray"]

#: Below this a candidate is told in nobody's share.
LEAST_TOLD = 1e-4
MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which the call could have come about: its rate, and where in the curve that rate stands (for
    `learning`)."""

    kind: Kind
    rate: float
    after_s: float
    exposure: Exposure | None = None


def match_call(call: CallSeen, exposures: Sequence[Exposure], curve: Curve) -> Match:
    """Candidates with probabilities. ``exposures``: of the called number that began before the call, at most the
    MOST_HOLDERS latest; others are passed by."""
    ways = ways_of(call, exposures, curve)
    total = sum(way.rate for way in ways)
    if total <= 0.0:
        return Match(candidates=(), nobody=1.0)
    shares: dict[uuid.UUID, float] = {}
    visits: dict[uuid.UUID, Visit] = {}
    whys: dict[uuid.UUID, dict[str, Any]] = {}
    rungs: dict[uuid.UUID, str] = {}
    for way in ways:
        for visit, share in _visits_of(way, call, curve):
            shares[visit.id] = shares.get(visit.id, 0.0) + share * way.rate / total
            visits.setdefault(visit.id, visit)
            whys.setdefault(visit.id, {}).update(_why(way, call))
            if way.exposure is not None:
                rungs.setdefault(visit.id, way.exposure.rung)
    # Of equals the later visit: what is known of neither speaks for the one that is less long ago.
    told = sorted(shares, key=lambda one: (-shares[one], -visits[one].started_at.timestamp(), one))[:MOST_TOLD]
    found = tuple(
        Candidate(visit=visits[one], probability=shares[one], rung=rungs.get(one), why=whys[one])
        for one in told
        if shares[one] >= LEAST_TOLD
    )
    return Match(candidates=found, nobody=max(0.0, 1.0 - sum(one.probability for one in found)))


def ways_of(call: CallSeen, exposures: Sequence[Exposure], curve: Curve) -> list[Way]:
    """Every way in which the call could have come about, with its rate at the moment of the call."""
    stranger = curve.known_person if call.is_known_caller else 1.0
    ways = [Way("stray", curve.stray * stranger, 0.0)]
    shown = [one for one in exposures if one.shown_at <= call.started_at]
    for one in sorted(shown, key=lambda one: one.shown_at, reverse=True)[:MOST_HOLDERS]:
        ways += _ways_of_exposure(call, one, curve, stranger)
    if call.earlier is not None:
        after_s = (call.started_at - call.earlier.last_at).total_seconds()
        rings_again = again_weight(call.earlier, curve)
        ways.append(Way("again", rate_at(AGAIN, curve.again, after_s) * rings_again, after_s))
    return ways


def again_weight(earlier: Earlier, curve: Curve) -> float:
    """How often this caller rings again, over how often a visitor does: the less, the more probable it is that his
    first call was nobody's."""
    named = sum(share for _, share in earlier.holders)
    return named + max(0.0, 1.0 - named) * curve.stray_again


def _ways_of_exposure(call: CallSeen, one: Exposure, curve: Curve, stranger: float) -> list[Way]:
    weight = _person(call, one, curve, stranger) * region_weight(call.region, one.region, curve)
    gone_s = (call.started_at - one.seen_until).total_seconds()
    if gone_s <= 0.0:
        after_s = (call.started_at - one.shown_at).total_seconds()
        device = curve.devices.get(f"seen:{one.device}", 1.0)
        ways = [Way("seen", rate_at(SEEN, curve.seen, after_s) * weight * device, after_s, one)]
    else:
        device = curve.devices.get(f"gone:{one.device}", 1.0)
        ways = [Way("gone", rate_at(GONE, curve.gone, gone_s) * weight * device, gone_s, one)]
    if one.clicked_at is not None and one.clicked_at <= call.started_at:
        after_s = (call.started_at - one.clicked_at).total_seconds()
        ways.append(Way("clicked", rate_at(CLICKED, curve.clicked, after_s) * weight, after_s, one))
    return ways


def _person(call: CallSeen, one: Exposure, curve: Curve, stranger: float) -> float:
    """How well it fits that this visitor uses this caller's telephone."""
    own, other = curve.own_telephone, 1.0 - curve.own_telephone
    by_stranger = stranger * (1.0 - one.called_by_other * own)
    held_before = call.earlier is not None and any(visit.id == one.visit.id for visit, _ in call.earlier.holders)
    if not call.is_known_caller or held_before:
        # What an earlier call to this number says of this very visit is told by the way "again", and only once.
        return by_stranger
    return one.callers_own * own + (1.0 - one.callers_own) * by_stranger + one.callers_own * other * stranger


def region_weight(caller: str | None, visit: str | None, curve: Curve) -> float:
    """How much better the caller's region is explained by a visit of that region than by chance."""
    if caller is None or visit is None:
        return 1.0
    elsewhere = (1.0 - curve.same_region) * from_elsewhere(caller, curve)
    return (curve.same_region * (caller == visit) + elsewhere) / by_chance(caller, curve)


def by_chance(region: str, curve: Curve) -> float:
    """How probable it is that a caller is of this region, whatever he has seen."""
    return max(curve.regions.get(region, curve.regions.get("", 0.05)), 1e-3)


def from_elsewhere(region: str, curve: Curve) -> float:
    """How probable it is that a caller is of this region whose number is not of the region of his visit."""
    if not curve.elsewhere:
        return by_chance(region, curve)
    return max(curve.elsewhere.get(region, curve.elsewhere.get("", 0.05)), 1e-3)


def _visits_of(way: Way, call: CallSeen, curve: Curve) -> Sequence[tuple[Visit, float]]:
    """Whose a call is that came about in this way."""
    if way.exposure is not None:
        return [(way.exposure.visit, 1.0)]
    if way.kind == "again" and call.earlier is not None:
        whole = again_weight(call.earlier, curve)
        return [(visit, share / whole) for visit, share in call.earlier.holders] if whole > 0 else []
    return []


def _why(way: Way, call: CallSeen) -> dict[str, Any]:
    after_s = round(way.after_s)
    one = way.exposure
    if one is None:
        return {"called_before_s": after_s}
    told: dict[str, Any] = {f"{way.kind}_for_s" if way.kind == "seen" else f"{way.kind}_s_ago": after_s}
    told |= {"rung": one.rung, "device": one.device}
    if call.region is not None and one.region is not None:
        told["same_region"] = call.region == one.region
    if one.callers_own > 0:
        told["callers_own"] = round(one.callers_own, 4)
    if one.called_by_other > 0:
        told["called_by_other"] = round(one.called_by_other, 4)
    return told
