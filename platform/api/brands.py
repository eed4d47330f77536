"""`/v1/agencies/{id}/brand`, and `/v1/brand`: how the platform looks under an agency's host name."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import ConfigDict, Field

from ..brands.model import Brand
from .auth import AGENCY, Asked
from .endpoint import endpoint, public, services
from .errors import Fault, Problem
from .fields import Answer, Body, Id, Moment, Name, Version
from .preconditions import is_known, tag_of
from .problems import validation_problem

blueprint = APIBlueprint("brands", __name__, tag="Agencies")

Colour = Annotated[str, Field(pattern="^#[0-9A-Fa-f]{6}$", examples=["#1f4e79"])]
Language = Annotated[Literal["en", "ru"], Field(description="Of letters and pages, where a user names no other.")]
Domain = Annotated[
    str | None,
    Field(max_length=253, description="Where its people open the console. The operator's to set.", examples=[None]),
]
MailFrom = Annotated[
    str | None,
    Field(
        max_length=254, description="Sender of letters, at the brand's domain; null: the platform's.", examples=[None]
    ),
]


class BrandIn(Body):
    """A brand, whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "North Star", "colour": "#1f4e79", "accent": "#c2571a", "language": "en"}
        }
    )

    name: Annotated[Name, Field(max_length=100)]
    colour: Colour
    accent: Colour
    language: Language
    domain: Annotated[Domain, Field(default=None)]
    mail_from: Annotated[MailFrom, Field(default=None)]
    logo: Annotated[
        str | None, Field(default=None, max_length=280_000, description="A PNG in base64, 200,000 bytes at most.")
    ]


class BrandAnswer(Answer):
    """A brand."""

    agency_id: Id
    name: Name
    colour: Colour
    accent: Colour
    language: Language
    domain: Domain
    mail_from: MailFrom
    logo_sha256: Annotated[str | None, Field(description="null: no logo.", examples=[None])]
    updated_at: Moment | None
    version: Version


def show(brand: Brand) -> tuple[BrandAnswer, int, dict[str, str]]:
    shown = {name: getattr(brand, name) for name in BrandAnswer.model_fields if name != "logo_sha256"}
    return BrandAnswer(**shown, logo_sha256=_digest(brand)), 200, {"ETag": tag_of(brand.version)}


def _digest(brand: Brand) -> str | None:
    return hashlib.sha256(brand.logo).hexdigest() if brand.logo is not None else None


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>/brand", roles=AGENCY, answer=BrandAnswer)
def get_brand(asked: Asked, agency_id: UUID) -> tuple[BrandAnswer, int, dict[str, str]]:
    """Read an agency's brand

    Version 0: nothing is set, and this is the platform's own look under the agency's name.
    """
    return show(asked.services.brands.brand_of(agency_id))


@endpoint(
    blueprint, "PUT", "/v1/agencies/<uuid:agency_id>/brand", roles=AGENCY, body=BrandIn, answer=BrandAnswer,
    problems=("domain_taken", "version_mismatch"),
)  # fmt: skip
def put_brand(asked: Asked, agency_id: UUID, body: BrandIn) -> tuple[BrandAnswer, int, dict[str, str]]:
    """Set an agency's brand

    Replaces it whole. `If-Match` with the `ETag` of what was read refuses to overwrite another's change. Only the
    operator sets `domain`: he knows whose it is.
    """
    brands = asked.services.brands
    before = brands.brand_of(agency_id)
    if body.domain != before.domain and asked.principal.role != "operator":
        raise Problem("role_insufficient", "Only the operator sets the domain.")
    version = before.version if "If-Match" in request.headers and before.version else None
    changed = brands.put_brand(
        agency_id, **body.model_dump(exclude={"logo"}), logo=_logo_of(body.logo), version=version
    )
    return show(changed)


@endpoint(
    blueprint, "GET", "/v1/agencies/<uuid:agency_id>/brand/logo", roles=AGENCY, media_types=("image/png",),
)  # fmt: skip
def get_brand_logo(asked: Asked, agency_id: UUID) -> Response:
    """Fetch an agency's logo

    As it was set; whoever sets the brand anew sends it again, or it goes.
    """
    logo = asked.services.brands.brand_of(agency_id).logo
    if logo is None:
        raise Problem("not_found", "There is no logo.")
    return Response(logo, mimetype="image/png")


def _logo_of(text: str | None) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if text is not None else None
    except ValueError:
        fault = Fault(code="wrong_form", detail="must be base64", pointer="#/logo")
        raise validation_problem([fault]) from None


@public(
    blueprint,
    "/v1/brand",
    summary="The look under this host name",
    answers={200: "Name, colours, language and logo, of the agency whose domain it is, or the platform's own."},
)
def get_own_brand() -> Response:
    brand = services().brands.brand_at(request.host.partition(":")[0])
    if brand is None:
        return jsonify(name="Dialtrace", colour=Brand.colour, accent=Brand.accent, language="en", logo=None)
    logo = f"/v1/brand/logo?v={(_digest(brand) or '')[:16]}" if brand.logo is not None else None
    return jsonify(name=brand.name, colour=brand.colour, accent=brand.accent, language=brand.language, logo=logo)


@public(
    blueprint,
    "/v1/brand/logo",
    summary="The logo under this host name",
    answers={200: "A PNG.", 404: "There is none."},
    media_types=("image/png",),
)
def get_own_logo() -> Response:
    brand = services().brands.brand_at(request.host.partition(":")[0])
    if brand is None or brand.logo is None:
        raise Problem("not_found", "There is no logo.")
    tag = f'"{_digest(brand)}"'
    if is_known(request.headers, tag):
        return Response(status=304, headers={"ETag": tag})
    return Response(brand.logo, mimetype="image/png", headers={"ETag": tag, "Cache-Control": "public, max-age=3600"})
