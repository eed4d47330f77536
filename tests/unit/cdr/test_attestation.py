"""STIR/SHAKEN: who is believed, and that hostile headers are only claims."""

import base64
import json

import pytest

from dialtrace.cdr.attestation import read_attestation
from dialtrace.cdr.fields import Fields
from dialtrace.cdr.numbering import diverted_number


def passport(claims: object) -> str:
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"ppt": "shaken"}, claims)
    )
    return f"{header}.{payload}.c2ln;info=<https://cert.example/a.pem>;ppt=shaken"


def read(**variables: str) -> tuple[object, ...]:
    found = read_attestation(
        Fields({"variables": {name.replace("__", "-"): value for name, value in variables.items()}})
    )
    return found.verstat, found.attestation, found.by, found.claimed


@pytest.mark.parametrize(
    ("told", "verstat", "level"),
    [
        ("TN-Validation-Passed-A", "TN-Validation-Passed", "A"),
        ("TN-Validation-Passed-C", "TN-Validation-Passed", "C"),
        ("TN-Validation-Passed", "TN-Validation-Passed", None),
        ("TN-Validation-Failed-A", "TN-Validation-Failed", None),
        ("No-TN-Validation", "No-TN-Validation", None),
    ],
)
def test_given_a_verified_signature_when_reading_then_only_a_good_one_attests(told, verstat, level) -> None:
    assert read(sip_verstat_detailed=told) == (verstat, level, "switch", None)
    assert read(dialtrace_verstat=told) == (verstat, level, "edge", None)


def test_given_switch_and_edge_when_both_speak_then_the_switch_is_heard() -> None:
    both = read(sip_verstat_detailed="No-TN-Validation", dialtrace_verstat="TN-Validation-Passed-A")

    assert both == ("No-TN-Validation", None, "switch", None)


def test_given_headers_that_anybody_may_send_when_reading_then_they_are_claims() -> None:
    origid = "7f8a0d5c-5d2f-4d52-9b2b-3f2f3c8f2a10"
    signed = passport({"attest": "B", "origid": origid})

    assert read(sip_identity=signed) == (None, None, None, "B")
    assert read(sip_identity=f"ARRAY::rubbish|:{signed}") == (None, None, None, "B")
    assert read(sip_h_P__Attestation__Indicator="A") == (None, None, None, "A")
    assert read(sip_h_X__Dialtrace__Verstat="TN-Validation-Passed-A") == (None, None, None, None)
    assert read_attestation(Fields({"variables": {"sip_identity": signed}})).origid == origid


@pytest.mark.parametrize(
    "header",
    [
        "", "a.b.c", "..", "eyJ9.eyJ9.x", "x" * 20_000, passport([1]), passport({"attest": "D"}),
        passport({"attest": ["A"]}),
        "e30." + base64.urlsafe_b64encode(b"[" * 3000).decode() + ".x",
        "e30." + base64.b64encode(b"\xff\xfe{").decode() + ".x",
    ],
)  # fmt: skip
def test_given_a_broken_passport_when_reading_then_it_claims_nothing(header: str) -> None:
    assert read(sip_identity=header) == (None, None, None, None)


@pytest.mark.parametrize(
    ("header", "number"),
    [
        ("<sip:+14155550111@carrier.example>;reason=unconditional;counter=1", "+14155550111"),
        ('"Front desk" <tel:+442079460124>;reason=no-answer', "+442079460124"),
        ("<sip:14155550111@10.0.0.1;user=phone>", "+14155550111"),
        ("<sip:201@pbx.example>;reason=user-busy", None),
        ("<sip:anonymous@anonymous.invalid>", None),
        ("rubbish", None),
        (None, None),
    ],
)
def test_given_a_diversion_when_reading_its_number_then_only_an_international_one_counts(header, number) -> None:
    assert diverted_number(header) == number
