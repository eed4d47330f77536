"""Lists: how many, from where on. A cursor is opaque and signed, and holds for one list of one tenant with one set of
filters; with any other it is refused instead of answering something odd.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from flask import request
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import Field

from ..paging import Page
from .auth import Asked
from .errors import Problem
from .fields import AgencyId, Answer, Body
from .sparse import Fields

DEFAULT_LIMIT, MOST = 50, 200
CURSOR_LIFE_S = 7 * 24 * 3600

T = TypeVar("T")
Item = TypeVar("Item", bound=Answer)


class ListQuery(Body):
    """What every list understands."""

    agency_id: AgencyId
    fields: Fields
    limit: Annotated[int, Field(default=DEFAULT_LIMIT, ge=1, le=MOST, description="Items on a page.")]
    cursor: Annotated[
        str | None,
        Field(
            default=None, max_length=2000, description="`next_cursor` of the page before. The filters must not change."
        ),
    ]

    def filters(self) -> dict[str, Any]:
        """Everything that is asked besides the place in the list."""
        return self.model_dump(mode="json", exclude={"limit", "cursor", "agency_id", "fields"}, exclude_none=True)


class Listed(Answer, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    next_cursor: Annotated[
        str | None,
        Field(description="Ask with it for the next page; null on the last one.", examples=["W3sidSI6…"]),
    ]
    has_more: bool


@dataclass(frozen=True)
class Cursors:
    """Signs and reads cursors with the platform's secret key."""

    secret_key: str

    def write(self, place: tuple[Any, ...], binding: str) -> str:
        return self._signer(binding).dumps([_plain(value) for value in place])

    def read(self, cursor: str, binding: str) -> tuple[Any, ...]:
        """The keyset value. Raises Problem (400) unless it was written for the same list, tenant and filters."""
        try:
            return tuple(_value(one) for one in self._signer(binding).loads(cursor, max_age=CURSOR_LIFE_S))
        except BadData as error:
            raise Problem("cursor_invalid") from error

    def _signer(self, binding: str) -> URLSafeTimedSerializer:
        """The binding is part of what is signed, without making the cursor longer."""
        return URLSafeTimedSerializer(
            self.secret_key, salt="dialtrace cursor " + binding, signer_kwargs={"digest_method": hashlib.sha256}
        )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, UUID):
        return {"u": value.hex}
    assert isinstance(value, str | int), f"no cursor holds a {type(value).__name__}"
    return value


def _value(plain: Any) -> Any:
    if isinstance(plain, dict):
        return datetime.fromisoformat(plain["t"]) if "t" in plain else UUID(plain["u"])
    return plain


def binding_of(path: str, agency_id: UUID, client_id: UUID | None, filters: Mapping[str, Any]) -> str:
    """What a cursor holds for."""
    said = json.dumps([path, str(agency_id), str(client_id), filters], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


Read = Callable[[int, tuple[Any, ...] | None], Page[T]]


def list_page(
    asked: Asked, query: ListQuery, read: Read[T], show: Callable[[Sequence[T]], list[Item]]
) -> tuple[Listed[Item], int, dict[str, str]]:
    """One page: reads the cursor, asks ``read(limit, after)``, and writes the next cursor and its link."""
    cursors = Cursors(asked.services.secret_key)
    binding = binding_of(request.path, asked.agency_id, asked.client_id, query.filters())
    after = cursors.read(query.cursor, binding) if query.cursor is not None else None
    page = read(query.limit, after)
    cursor = cursors.write(page.next, binding) if page.next is not None else None
    listed: Listed[Item] = Listed(data=show(page.items), next_cursor=cursor, has_more=cursor is not None)
    return listed, 200, _link(cursor)


def _link(cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    query = urlencode({**request.args.to_dict(), "cursor": cursor})
    return {"Link": f'<{request.path}?{query}>; rel="next"'}


def each(show: Callable[[T], Item]) -> Callable[[Sequence[T]], list[Item]]:
    """Shows one item after the other."""
    return lambda items: [show(item) for item in items]
