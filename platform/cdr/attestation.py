"""STIR/SHAKEN: what is known of the caller's right to the number, and who says so. Pure.

Three voices, never mixed (contracts/10, 4). The switch itself, where it was built to verify and told to
(`sofia_stir_shaken_vs`, mod_sofia.c: `sip_verstat_detailed`). The edge, in `X-Dialtrace-Verstat`, which the dialplan
takes over only from addresses that the operator named as edges (`dialtrace_verstat`). Both have verified a signature.
Everything else is a claim that nobody checked: an `Identity` header's own words, `P-Attestation-Indicator`.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Literal, cast

from .fields import Fields, as_mapping, as_uuid

Attestation = Literal["A", "B", "C"]
AttestedBy = Literal["switch", "edge"]

_VERSTAT = re.compile(r"(TN-Validation-Passed|TN-Validation-Failed|No-TN-Validation)(?:-([ABC]))?")
#: A PASSporT in its compact form (RFC 8225, 7): header, claims, signature.
_PASSPORT = re.compile(r"\s*[A-Za-z0-9_-]+\.([A-Za-z0-9_-]{1,6000})\.[A-Za-z0-9_-]*\s*(?:;.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Attested:
    """``attestation`` only where the signature was verified and good; ``claimed`` is what an unverified caller says."""

    verstat: str | None = None
    attestation: Attestation | None = None
    by: AttestedBy | None = None
    claimed: Attestation | None = None
    origid: str | None = None


def read_attestation(fields: Fields) -> Attested:
    claimed, origid = _claim(fields)
    voices: tuple[tuple[AttestedBy, str | None], ...] = (
        ("switch", fields.word("sip_verstat_detailed") or fields.word("sip_verstat")),
        ("edge", fields.word("dialtrace_verstat")),
    )
    for by, told in voices:
        found = _VERSTAT.fullmatch(told or "")
        if found:
            good = found[1] == "TN-Validation-Passed"
            level = cast(Attestation, found[2]) if good and found[2] else None
            return Attested(found[1], level, by, claimed, origid)
    return Attested(claimed=claimed, origid=origid)


def _claim(fields: Fields) -> tuple[Attestation | None, str | None]:
    """The first PASSporT that says something; else the operators' own header."""
    for header in fields.list("sip_identity") or fields.list("sip_h_identity"):
        claims = _claims(header)
        level = _level(claims.get("attest"))
        if level:
            origid = as_uuid(claims.get("origid"))
            return level, str(origid) if origid else None
    origid = fields.uuid("sip_h_P-Origination-ID")
    return _level(fields.word("sip_h_P-Attestation-Indicator")), str(origid) if origid else None


def _level(value: object) -> Attestation | None:
    return value if value in ("A", "B", "C") else None


def _claims(header: str) -> dict[str, object]:
    found = _PASSPORT.fullmatch(header)
    if found is None:
        return {}
    payload = found[1] + "=" * (-len(found[1]) % 4)
    try:
        return dict(as_mapping(json.loads(base64.urlsafe_b64decode(payload))))
    except (ValueError, RecursionError):
        return {}
