"""Use cases of brands: what an agency has set, and whose look a host name has."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy.exc

from ..db.engine import Database
from . import store
from .errors import BrandChanged, DomainTaken, ValueRefused
from .model import LANGUAGES, Brand, check_colour, check_domain, check_logo, check_mail_from

__all__ = ["Brand", "BrandService"]


class BrandService:
    """Brands in one database. ``name``, ``mail_from``: the platform's own."""

    def __init__(self, database: Database, *, name: str = "Dialtrace", mail_from: str = "dialtrace@localhost") -> None:
        self._database = database
        self._name = name
        self._mail_from = mail_from

    def brand_of(self, agency_id: UUID) -> Brand:
        """What the agency has set, or its name alone; of an agency that is not there, the platform's own."""
        with self._database.tenant(agency_id) as connection:
            name, row = store.find_brand(connection, agency_id)
        if row is None:
            return Brand(agency_id=agency_id, name=name or self._name, mail_from=self._mail_from)
        return Brand(**{**row, "mail_from": row["mail_from"] or self._mail_from})

    def put_brand(
        self,
        agency_id: UUID,
        *,
        name: str,
        colour: str,
        accent: str,
        language: str,
        domain: str | None,
        mail_from: str | None,
        logo: bytes | None,
        version: int | None,
    ) -> Brand:
        """Replaces it whole. ``version``: the one that is replaced; None: whichever. Raises BrandChanged, DomainTaken,
        ValueRefused."""
        kept = name.strip()
        if not 1 <= len(kept) <= 100 or not kept.isprintable():
            raise ValueRefused("name", "must have 1 to 100 characters")
        if language not in LANGUAGES:
            raise ValueRefused("language", "must be one of " + ", ".join(LANGUAGES))
        domain = check_domain(domain)
        values = {
            "name": kept, "colour": check_colour(colour, "colour"), "accent": check_colour(accent, "accent"),
            "language": language, "domain": domain, "mail_from": check_mail_from(mail_from, domain),
            "logo": check_logo(logo),
        }  # fmt: skip
        before = self.brand_of(agency_id).version
        if version is not None and version != before:
            raise BrandChanged(before)
        try:
            with self._database.tenant(agency_id) as connection:
                if store.put_brand(connection, agency_id, values, version) is None:
                    raise BrandChanged(before + 1)
                store.put_domain(connection, agency_id)
        except sqlalchemy.exc.IntegrityError as error:
            raise DomainTaken from error
        return self.brand_of(agency_id)

    def brand_at(self, host: str) -> Brand | None:
        """Whose look the console has under this host name; None: the platform's own."""
        with self._database.directory() as connection:
            row = store.find_by_domain(connection, host.lower())
        if row is None:
            return None
        return Brand(**{**row._mapping, "mail_from": row.mail_from or self._mail_from})
