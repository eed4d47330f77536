"""`/v1/audit-log`: who did what. Entries are made by the deeds themselves; here they are only read."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..audit.service import Entry, EntryFilters
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, Answer, Id, Moment, MomentIn
from .paging import Listed, ListQuery, each, list_page

blueprint = APIBlueprint("audit", __name__, tag="Audit")


class AuditQuery(ListQuery):
    """Which entries."""

    client_id: Annotated[UUID | None, Field(default=None, description="Only what was done to this client's things.")]
    at_from: Annotated[MomentIn | None, Field(default=None, description="At this moment or later.")]
    at_until: Annotated[MomentIn | None, Field(default=None, description="Before this moment.")]
    action: Annotated[
        str | None,
        Field(
            default=None,
            max_length=64,
            pattern=r"^[a-z_]+(\.[a-z_]+)*\.?$",
            description="This action; with a dot at its end all that begin so: `recording.`.",
            examples=["recording.listened"],
        ),
    ]
    actor_id: Annotated[UUID | None, Field(default=None, description="Only what this key did, or a link it made.")]
    object_id: Annotated[UUID | None, Field(default=None, description="Only what was done to this thing.")]


class AuditEntry(Answer):
    """One entry."""

    id: Id
    at: Annotated[Moment, Field(description="The database's own time.")]
    client_id: Annotated[Id | None, Field(description="Whose thing it was; null: the agency's own.")]
    actor_kind: Annotated[
        Literal["key", "link", "user", "platform"],
        Field(description="link: somebody with a signed link; actor_id is the key that made it."),
    ]
    actor_id: Id | None
    actor_name: Annotated[str | None, Field(description="Of the platform itself: which part.", examples=[None])]
    address: Annotated[str | None, Field(description="IP address that it came from.", examples=["203.0.113.7"])]
    request_id: Annotated[str | None, Field(description="`X-Request-Id` of the request.", examples=[EXAMPLE_ID])]
    action: Annotated[str, Field(examples=["recording.listened"])]
    object_kind: Annotated[str, Field(examples=["recording"])]
    object_id: Id | None
    details: Annotated[dict[str, Any], Field(examples=[{"call_id": EXAMPLE_ID, "segment": 1}])]


class AuditPage(Listed[AuditEntry]):
    """A page of entries."""


def show(entry: Entry) -> AuditEntry:
    return AuditEntry.model_validate(entry)


@endpoint(blueprint, "GET", "/v1/audit-log", roles=AGENCY, query=AuditQuery, answer=AuditPage)
def list_audit_log(asked: Asked, query: AuditQuery) -> Any:
    """List what was done

    The latest first. Every listening to a recording and every download is here, with the key, the address and the
    moment; nobody can change or remove an entry.
    """
    filters = EntryFilters(
        at_from=query.at_from,
        at_until=query.at_until,
        action=query.action,
        actor_id=query.actor_id,
        object_id=query.object_id,
    )
    log = asked.services.audit

    def read(limit: int, after: tuple[Any, ...] | None) -> Any:
        place = (after[0], after[1]) if after is not None else None
        return log.list_entries(asked.agency_id, asked.client_id, filters, limit=limit, after=place)

    return list_page(asked, query, read, each(show))
