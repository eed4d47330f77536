"""Access tokens: signed, with no right of their own, for a quarter of an hour.

The key behind one is looked up with each request, so that revoking the key ends its tokens too.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer

from ..tenancy.errors import InvalidKey
from ..tenancy.model import Principal
from ..tenancy.service import TenancyService

PREFIX = "da_"
LIFE_S = 900


def write_access_token(secret_key: str, principal: Principal, scope: str) -> str:
    signed = _signer(secret_key).dumps([principal.agency_id.hex, principal.key_id.hex, scope])
    return PREFIX + str(signed)


def principal_of_token(tenancy: TenancyService, secret_key: str, token: str, address: str | None) -> Principal:
    """Whose access token this is, with no more than it was given. Raises InvalidKey, AddressRefused."""
    try:
        agency, key, scope = _signer(secret_key).loads(token.removeprefix(PREFIX), max_age=LIFE_S)
    except BadData as error:
        raise InvalidKey from error
    return tenancy.stand_in(UUID(agency), UUID(key), frozenset(scope.split()), address)


def _signer(secret_key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        secret_key, salt="dialtrace access token", signer_kwargs={"digest_method": hashlib.sha256}
    )
