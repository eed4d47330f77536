"""White label: what an agency sets is what its people see, under its own host name."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable

from apiflask import APIFlask

from .conftest import Asker, Tenant


def png(width: int = 2, height: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x1f\x4e\x79" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


BRAND = {"name": "North Star", "colour": "#102030", "accent": "#A0B0C0", "language": "ru"}


def test_given_a_brand_when_set_then_it_is_what_its_host_name_shows(
    tenant: Tenant, operator: Asker, app: APIFlask
) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}/brand"
    first = tenant.agency_key.get(path).get_json()
    assert (first["name"], first["version"], first["language"]) == ("North", 0, "en")
    logo = base64.b64encode(png()).decode()
    body = BRAND | {"domain": "calls.north.example", "mail_from": "calls@north.example", "logo": logo}
    refused = tenant.agency_key.ask("PUT", path, body)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "role_insufficient")
    made = operator.ask("PUT", path, body)
    assert made.status_code == 200, made.text
    assert (made.get_json()["accent"], made.get_json()["version"]) == ("#a0b0c0", 1)
    again = tenant.agency_key.ask("PUT", path, body | {"name": "Polar Star"}, If_Match='"v1"')
    assert again.get_json()["version"] == 2, again.text
    own = tenant.agency_key.get(f"{path}/logo")
    assert (own.data, own.mimetype) == (png(), "image/png")
    assert tenant.agency_key.ask("PUT", path, body, If_Match='"v1"').status_code == 412

    browser = app.test_client()
    seen = browser.get("/v1/brand", headers={"Host": "calls.north.example"}).get_json()
    assert (seen["name"], seen["colour"], seen["language"]) == ("Polar Star", "#102030", "ru")
    shown = browser.get(seen["logo"], headers={"Host": "calls.north.example"})
    assert (shown.data, shown.mimetype) == (png(), "image/png")
    assert browser.get("/v1/brand", headers={"Host": "other.example"}).get_json()["name"] == "Dialtrace"
    assert browser.get("/v1/brand/logo", headers={"Host": "other.example"}).status_code == 404


def test_given_anothers_domain_or_what_is_no_brand_when_set_then_refused(
    make_tenant: Callable[[str], Tenant], operator: Asker
) -> None:
    first, second = (f"/v1/agencies/{make_tenant(name).agency['id']}/brand" for name in ("North", "South"))
    body = BRAND | {"domain": "calls.north.example"}
    assert operator.get(f"{first}/logo").get_json()["code"] == "not_found"
    assert operator.ask("PUT", first, body).status_code == 200
    taken = operator.ask("PUT", second, body)
    assert (taken.status_code, taken.get_json()["code"]) == (409, "domain_taken")
    assert operator.get(second).get_json()["version"] == 0, "nothing is half-applied"
    for field, value in (
        ("colour", "red"), ("language", "de"), ("domain", "no host"), ("mail_from", "ceo@bank.example"),
        ("logo", base64.b64encode(b"<svg onload=alert(1)>" * 3).decode()), ("logo", "%"),
        ("logo", base64.b64encode(png(3000, 1)).decode()),
    ):  # fmt: skip
        answer = operator.ask("PUT", first, body | {field: value})
        assert answer.status_code == 422, field
        assert answer.get_json()["errors"][0]["pointer"] == f"#/{field}"
