"""Links that show a site's draft to whoever has one: signed, for one site, for a day."""

from __future__ import annotations

import hashlib
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer

#: What the page's address names it by; swap.js passes it on.
PARAMETER = "dialtrace_preview"
LIFE_S = 24 * 3600


def write_preview(secret_key: str, site_id: UUID) -> str:
    """The value of the parameter."""
    return _signer(secret_key).dumps(site_id.hex)


def is_preview(secret_key: str, text: str, site_id: UUID) -> bool:
    """Whether it was written for this site within a day."""
    if not text:
        return False
    try:
        return bool(_signer(secret_key).loads(text, max_age=LIFE_S) == site_id.hex)
    except BadData:
        return False


def _signer(secret_key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt="dialtrace preview", signer_kwargs={"digest_method": hashlib.sha256})
