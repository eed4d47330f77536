"""Use cases of sites: make one, draft its rules, publish them; a client's own rules for sources.

Must not know HTTP, nor what happens to a visit.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..paging import Page, cut
from . import store
from .errors import Fault, NoDraft, SiteFaulty, SiteUnknown, VersionMismatch
from .model import Site, SourceRules, check_domains, check_name, check_status, read_settings
from .rules import SiteRules, read_site_rules
from .source_rules import documents_of, read_source_rules

MAX_PAGE = 500
_SIGNS = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH = 16


def new_token() -> str:
    """What a snippet names; not secret, but not to be guessed either."""
    return "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))


class SiteService:
    """The sites in one database. ``client_id`` None stands for the whole agency wherever it may be left out."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_site(
        self,
        agency_id: UUID,
        client_id: UUID,
        name: str,
        domains: list[str],
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> Site:
        """A site without rules: its pages show what they show. Raises SiteFaulty, OwnerUnknown."""
        values = {
            "agency_id": agency_id,
            "id": new_id(),
            "client_id": client_id,
            "name": check_name(name),
            "token": new_token(),
            "domains": list(check_domains(domains)),
            "settings": read_settings(settings or {}).model_dump(mode="json"),
            "rules_live": read_site_rules({}).model_dump(mode="json"),
        }
        with self._database.tenant(agency_id, client_id) as connection:
            return store.insert_site(connection, values)

    def get_site(self, agency_id: UUID, site_id: UUID, *, client_id: UUID | None = None) -> Site:
        """Raises SiteUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found(store.find_site(connection, agency_id, site_id))

    def list_sites(
        self,
        agency_id: UUID,
        client_id: UUID | None = None,
        *,
        limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[Site]:
        """Oldest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_sites(
                connection, agency_id, client_id, limit=limit + 1, after=after[0] if after else None
            )
        return cut(found, limit, "id")

    def change_site(
        self,
        agency_id: UUID,
        site_id: UUID,
        changes: Mapping[str, Any],
        *,
        client_id: UUID | None = None,
        version: int | None = None,
    ) -> Site:
        """``changes``: name, domains, status, and settings, of which each member that is named changes. Raises
        SiteUnknown, SiteFaulty, VersionMismatch."""
        with self._database.tenant(agency_id, client_id) as connection:
            site = _locked(connection, agency_id, site_id, version)
            checked: dict[str, Any] = {}
            if "name" in changes:
                checked["name"] = check_name(changes["name"])
            if "domains" in changes:
                checked["domains"] = list(check_domains(changes["domains"]))
            if "status" in changes:
                checked["status"] = check_status(changes["status"])
            if "settings" in changes:
                merged = {**site.settings, **changes["settings"]}
                checked["settings"] = read_settings(merged).model_dump(mode="json")
            return self._changed(connection, site, checked)

    def delete_site(self, agency_id: UUID, site_id: UUID, *, client_id: UUID | None = None) -> None:
        """Its snippet answers nobody any more; its visits stay. Raises SiteUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            site = _locked(connection, agency_id, site_id, None)
            self._changed(connection, site, {"status": "deleted"})

    # --- Rules. ---

    def draft_rules(
        self,
        agency_id: UUID,
        site_id: UUID,
        document: Any,
        *,
        client_id: UUID | None = None,
        version: int | None = None,
    ) -> Site:
        """Keeps a draft; what is live stays. Raises SiteUnknown, SiteFaulty, VersionMismatch."""
        rules = read_site_rules(document)
        with self._database.tenant(agency_id, client_id) as connection:
            site = _locked(connection, agency_id, site_id, version)
            _check_references(connection, site, rules)
            return self._changed(connection, site, {"rules_draft": rules.model_dump(mode="json", exclude_none=True)})

    def discard_draft(
        self, agency_id: UUID, site_id: UUID, *, client_id: UUID | None = None, version: int | None = None
    ) -> Site:
        """Raises SiteUnknown, NoDraft, VersionMismatch."""
        with self._database.tenant(agency_id, client_id) as connection:
            site = _drafted(_locked(connection, agency_id, site_id, version))
            return self._changed(connection, site, {"rules_draft": None})

    def publish_rules(
        self, agency_id: UUID, site_id: UUID, *, client_id: UUID | None = None, version: int | None = None
    ) -> Site:
        """The draft is live from now on. Raises SiteUnknown, NoDraft, VersionMismatch, and SiteFaulty where a number
        or pool that it names has gone meanwhile."""
        with self._database.tenant(agency_id, client_id) as connection:
            site = _drafted(_locked(connection, agency_id, site_id, version))
            _check_references(connection, site, read_site_rules(site.rules_draft))
            changes = {
                "rules_live": site.rules_draft,
                "rules_draft": None,
                "rules_version": site.rules_version + 1,
            }
            return self._changed(connection, site, changes)

    # --- A client's own rules for sources. ---

    def get_source_rules(self, agency_id: UUID, client_id: UUID) -> SourceRules:
        """None yet: an empty list at version 0."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_source_rules(connection, agency_id, client_id)
        return found or SourceRules(agency_id=agency_id, client_id=client_id)

    def put_source_rules(
        self, agency_id: UUID, client_id: UUID, document: Any, *, version: int | None = None
    ) -> SourceRules:
        """They hold from the next visit on. Raises SiteFaulty, OwnerUnknown, VersionMismatch."""
        rules = documents_of(read_source_rules(document))
        with self._database.tenant(agency_id, client_id) as connection:
            before = store.find_source_rules(connection, agency_id, client_id, lock=True)
            current = before.version if before else 0
            if version is not None and version != current:
                raise VersionMismatch(current)
            values = {"agency_id": agency_id, "client_id": client_id, "rules": rules, "updated_at": self._clock.now()}
            return store.put_source_rules(connection, values)

    def _changed(self, connection: Connection, site: Site, changes: Mapping[str, Any]) -> Site:
        if all(_same(getattr(site, name), value) for name, value in changes.items()):
            return site
        return store.update_site(connection, site, {**changes, "updated_at": self._clock.now()})


def _same(before: Any, after: Any) -> bool:
    return bool((list(before) if isinstance(before, tuple) else before) == after)


def _found(site: Site | None) -> Site:
    if site is None:
        raise SiteUnknown
    return site


def _drafted(site: Site) -> Site:
    if site.rules_draft is None:
        raise NoDraft
    return site


def _locked(connection: Connection, agency_id: UUID, site_id: UUID, version: int | None) -> Site:
    site = _found(store.find_site(connection, agency_id, site_id, lock=True))
    if version is not None and version != site.version:
        raise VersionMismatch(site.version)
    return site


def _check_references(connection: Connection, site: Site, rules: SiteRules) -> None:
    """Raises SiteFaulty where a rule names what the client does not have."""
    faults = [
        Fault(pointer, f"unknown_{what}", f"the client has no such {words}")
        for what, words, own, named in (
            ("number", "static number", store.own_numbers, list(rules.number_ids())),
            ("pool", "pool", store.own_pools, list(rules.pool_ids())),
        )
        for pointer in _unknown(own, connection, site, named)
    ]
    if faults:
        raise SiteFaulty(faults)


Own = Callable[[Connection, UUID, UUID, Collection[UUID]], set[UUID]]


def _unknown(own: Own, connection: Connection, site: Site, named: Sequence[tuple[str, UUID]]) -> list[str]:
    """Where something is named that is not the client's."""
    if not named:
        return []
    known = own(connection, site.agency_id, site.client_id, {one for _, one in named})
    return [pointer for pointer, one in named if one not in known]
