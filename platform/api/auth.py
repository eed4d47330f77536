"""Who asks, and for whom. The tenant comes from the key alone; only the operator may name another agency.

How far a key reaches: `operator` (whoever runs the platform), `agency`, `client`. What it may do there: its
permissions. A foreign agency, like everything else that a key may not see, is answered as not there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from flask import Request

from ..db.floor import Floor
from ..people.errors import SessionInvalid
from ..tenancy.errors import AddressRefused, InvalidKey
from ..tenancy.model import Principal
from .access_tokens import PREFIX, principal_of_token
from .asking import asking_address
from .catalogue import CATALOGUE
from .errors import Problem
from .rooms import ApiServices
from .session_cookies import COOKIE, check_ours

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


def authenticate(services: ApiServices, request: Request) -> Principal:
    """Whose key, access token or session this is. A key counts more than a cookie that a browser sends along. Raises
    Problem (401, 403)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not scheme and COOKIE in request.cookies:
        return _of_session(services, request)
    if not scheme:
        raise Problem("credential_missing", headers=_challenge())
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("credential_invalid", "The Authorization header must be `Bearer <key>`.", headers=_challenge())
    try:
        address = asking_address(services.proxies)
        if token.strip().startswith(PREFIX):
            return principal_of_token(services.tenancy, services.secret_key, token.strip(), address)
        return services.tenancy.authenticate(token.strip(), address)
    except AddressRefused as error:
        raise Problem("address_not_allowed") from error
    except InvalidKey as error:
        detail = CATALOGUE["credential_invalid"].meaning
        raise Problem("credential_invalid", detail, headers=_challenge("invalid_token")) from error


def _of_session(services: ApiServices, request: Request) -> Principal:
    try:
        principal = services.sign_in.authenticate(request.cookies[COOKIE])
    except SessionInvalid as error:
        raise Problem("session_over", headers=_challenge()) from error
    assert principal.session_id is not None, "who comes by a cookie has a session"
    check_ours(request, services.secret_key, principal.session_id)
    return principal


def _challenge(error: str | None = None) -> dict[str, str]:
    return {"WWW-Authenticate": _CHALLENGE + (f', error="{error}"' if error else "")}


def need_role(principal: Principal, roles: Collection[str]) -> None:
    """Raises Problem (403) unless the key's role is one of ``roles``."""
    if principal.role not in roles:
        allowed = " or ".join(roles)
        raise Problem("role_insufficient", f"This needs a key of the role {allowed}; yours is {principal.role}.")


def need_factor(principal: Principal, path: str) -> None:
    """Raises Problem (403) for whoever must make a second factor first; he may look at himself, do that, and leave."""
    own = path in {"/v1/session", "/v1/sessions"} or path.startswith(("/v1/session/", "/v1/sessions/"))
    if principal.needs_factor and not own:
        raise Problem("second_factor_required")


def floor_of(principal: Principal) -> Floor | None:
    """The tenant that no transaction of this request leaves; the operator may go anywhere."""
    if principal.role == "operator":
        return None
    return Floor(principal.agency_id, principal.client_id)


def need_permissions(principal: Principal, permissions: Collection[str]) -> None:
    """Raises Problem (403) unless the key or user has all of them."""
    missing = sorted(set(permissions) - principal.permissions)
    if missing == ["calls.listen"]:
        raise Problem("listening_not_allowed")
    if missing:
        raise Problem("permission_missing", f"This needs the permission {' and '.join(missing)}.")


def need_listening(principal: Principal) -> None:
    """Raises Problem (403) unless the key may hear recordings."""
    if not principal.may_listen:
        raise Problem("listening_not_allowed")


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
