"""Who asks, and for whom. The tenant comes from the key alone; only the operator may name another agency.

Roles: `operator` (whoever runs the platform), `agency`, `client`. A foreign agency, like everything else that a key may
not see, is answered as not there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from werkzeug.datastructures import Headers

from ..tenancy.errors import InvalidKey
from ..tenancy.model import Principal
from .catalogue import CATALOGUE
from .errors import Problem
from .rooms import ApiServices

EVERYBODY = ("operator", "agency", "client")
AGENCY = ("operator", "agency")
OPERATOR = ("operator",)

_CHALLENGE = 'Bearer realm="dialtrace"'


@dataclass(frozen=True)
class Asked:
    """A request's standing: who asks, and the tenant it acts for. ``client_id`` None: the whole agency."""

    services: ApiServices
    principal: Principal
    agency_id: UUID
    client_id: UUID | None


def authenticate(services: ApiServices, headers: Headers) -> Principal:
    """Whose key this is. Raises Problem (401)."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if not scheme:
        raise Problem("credential_missing", headers=_challenge())
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("credential_invalid", "The Authorization header must be `Bearer <key>`.", headers=_challenge())
    try:
        return services.tenancy.authenticate(token.strip())
    except InvalidKey as error:
        detail = CATALOGUE["credential_invalid"].meaning
        raise Problem("credential_invalid", detail, headers=_challenge("invalid_token")) from error


def _challenge(error: str | None = None) -> dict[str, str]:
    return {"WWW-Authenticate": _CHALLENGE + (f', error="{error}"' if error else "")}


def need_role(principal: Principal, roles: Collection[str]) -> None:
    """Raises Problem (403) unless the key's role is one of ``roles``."""
    if principal.role not in roles:
        allowed = " or ".join(roles)
        raise Problem("role_insufficient", f"This needs a key of the role {allowed}; yours is {principal.role}.")


def need_listening(principal: Principal) -> None:
    """Raises Problem (403) unless the key may hear recordings."""
    if not principal.may_listen:
        raise Problem("listening_not_allowed", "This key was made with `may_listen` false.")


def tenant_of(services: ApiServices, principal: Principal, agency_id: UUID | None, client_id: UUID | None) -> Asked:
    """The tenant that a request acts for: ``agency_id`` and ``client_id`` are what it names itself, if anything.

    Raises Problem (404) for any tenant that the key may not see.
    """
    own = principal.agency_id
    if agency_id is not None and agency_id != own:
        if principal.role != "operator":
            raise Problem("not_found", "There is no such agency.")
        services.tenancy.get_agency(agency_id)
        own = agency_id
    if client_id is None or client_id == principal.client_id:
        return Asked(services, principal, own, principal.client_id)
    if principal.client_id is not None:
        raise Problem("not_found", "There is no such client.")
    # A client of the agency, or ClientUnknown: a list of somebody else's things is not empty, it is not there.
    services.tenancy.get_client(own, client_id)
    return Asked(services, principal, own, client_id)
