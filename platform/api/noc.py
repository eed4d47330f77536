"""`/v1/noc` and the page that shows it (`/noc`); what Prometheus asks for: `/v1/scrape-targets`, and with an agency's
own key `/v1/agency-metrics`. The operator's, but for the last.

The page holds no data. It asks `/v1/noc` with a key or a session, every five seconds, and needs no other file.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response, request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from .auth import AGENCY, OPERATOR, Asked
from .endpoint import endpoint, public
from .fields import Answer, Moment
from .nodes import NodeAnswer
from .preconditions import is_known

blueprint = APIBlueprint("noc", __name__, tag="Operation")

#: What Prometheus' HTTP service discovery reads.
_DISCOVERED = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["targets", "labels"],
        "properties": {
            "targets": {"type": "array", "items": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
}

#: Agencies that Prometheus is told of.
MOST_AGENCIES = 200


class NocBacklogOfNode(Answer):
    """What waits on a node's disk, as its agent said last. Null: it has not spoken yet."""

    cdr_files: Annotated[int | None, Field(default=None, examples=[2])]
    cdr_oldest_s: Annotated[float | None, Field(default=None, examples=[0.4])]
    recordings_due: Annotated[int | None, Field(default=None, examples=[3])]
    recordings_orphaned: Annotated[int | None, Field(default=None, examples=[0])]
    disk_free_bytes: Annotated[int | None, Field(default=None, examples=[52_428_800_000])]
    disk_size_bytes: Annotated[int | None, Field(default=None, examples=[104_857_600_000])]


class NocNode(Answer):
    """A node, its load, and what waits on it."""

    node: NodeAnswer
    live_calls: Annotated[int, Field(description="Callers on it at this moment.", examples=[42])]
    calls_per_s: Annotated[float, Field(description="That began in the last whole minute.", examples=[1.5])]
    backlog: NocBacklogOfNode
    is_stale: Annotated[bool, Field(description="Nobody has spoken for it for thirty seconds.", examples=[False])]


class NocStanding(Answer):
    """The calls that stand, of all tenants: by what the caller's own leg does; who waits in a queue is in the queues'
    figures too."""

    by_state: Annotated[dict[str, int], Field(examples=[{"answered": 40, "ringing": 2}])]
    waiting: Annotated[int, Field(description="Callers who wait in queues.", examples=[1])]
    offered: Annotated[int, Field(description="Callers for whom a target is being rung.", examples=[0])]
    longest_wait_s: Annotated[float, Field(examples=[12.5])]


class NocSpan(Answer):
    """A stretch of time. Null where no call of it has ended."""

    begins_at: Moment
    calls_per_s: Annotated[float, Field(examples=[1.5])]
    asr: Annotated[float | None, Field(description="Answered over all that ended.", examples=[0.62])]
    ner: Annotated[float | None, Field(description="What the network delivered over all that ended.", examples=[0.99])]
    acd_s: Annotated[
        float | None,
        Field(description="Seconds talked over calls that were answered, voicemail included.", examples=[184.2]),
    ]


class NocPool(Answer):
    """A pool that loses visits: the last quarter of an hour."""

    agency_id: str
    pool_id: str
    name: str
    visits: Annotated[int, Field(examples=[120])]
    lost: Annotated[int, Field(description="Visits that found no number of their own.", examples=[3])]
    loss_target: Annotated[float, Field(examples=[0.01])]


class NocPools(Answer):
    """Pools near their loss target or beyond it, the nearest first."""

    told_at: Moment
    pools: Annotated[int, Field(description="Pools that are open.", examples=[30])]
    worst: list[NocPool]


class NocBacklog(Answer):
    """What is on its way in the database."""

    events_unsequenced: Annotated[int, Field(examples=[0])]
    recordings_pending: Annotated[int, Field(examples=[4])]


class NocJob(Answer):
    """Jobs of one name."""

    name: Annotated[str, Field(examples=["exports.make"])]
    waiting: Annotated[int, Field(examples=[0])]
    oldest_s: Annotated[float, Field(examples=[0.0])]
    running: Annotated[int, Field(examples=[1])]
    failed: Annotated[int, Field(description="Given up: somebody must look.", examples=[0])]


class NocWebhooks(Answer):
    """Messages for webhooks that are active."""

    waiting: Annotated[int, Field(examples=[2])]
    blocked: Annotated[int, Field(examples=[0])]
    sending: Annotated[int, Field(examples=[0])]
    oldest_s: Annotated[float, Field(examples=[1.5])]
    behind: Annotated[int, Field(description="Events that no message was made of yet.", examples=[0])]


class NocAlert(Answer):
    """An alert that stands."""

    name: Annotated[str, Field(examples=["RecordsAreLate"])]
    severity: Annotated[str, Field(examples=["page"])]
    summary: Annotated[str, Field(examples=["The oldest CDR file on node-1 is 4m 2s old"])]
    runbook: Annotated[str, Field(examples=["docs/runbooks.md#recordsarelate"])]
    since: Annotated[str, Field(examples=["2026-03-01T09:30:00.125Z"])]


class NocAnswer(Answer):
    """Everything on one page. A part that cannot be read is null, and `missing` says why."""

    at: Moment
    nodes: list[NocNode] | None
    standing: NocStanding | None
    lately: Annotated[NocSpan | None, Field(description="The last quarter of an hour.")]
    day: Annotated[list[NocSpan], Field(description="The last 24 hours in steps of ten minutes.")]
    pools: Annotated[NocPools | None, Field(description="Null: `work pools` has not spoken yet.")]
    backlog: NocBacklog | None
    jobs: list[NocJob] | None
    webhooks: NocWebhooks | None
    alerts: Annotated[list[NocAlert] | None, Field(description="That stand, by Prometheus.")]
    knows_alerts: Annotated[bool, Field(description="Whether DIALTRACE_PROMETHEUS_URL names one.", examples=[True])]
    missing: Annotated[dict[str, str], Field(examples=[{}])]


@endpoint(blueprint, "GET", "/v1/noc", roles=OPERATOR, answer=NocAnswer)
def get_noc(asked: Asked) -> NocAnswer:
    """See the whole platform

    Nodes with state and load, calls that stand, rates now and over the day, pools that lose visits, what waits, alerts
    that stand. What the page `/noc` shows.
    """
    return NocAnswer.model_validate(asked.services.noc.read(asked.services.clock.now()))


@endpoint(blueprint, "GET", "/v1/scrape-targets", roles=OPERATOR, shape=_DISCOVERED)
def list_scrape_targets(asked: Asked) -> Response:
    """List what Prometheus is to read

    Every process of every machine that serves metrics, in the form of Prometheus' HTTP service discovery
    (`http_sd_configs`). A process that ended politely is not here; one that was killed is, so that it is missed.
    """
    return _listed(asked.services.noc.watch.scrape_targets(asked.services.clock.now()))


@endpoint(blueprint, "GET", "/v1/scrape-targets/agencies", roles=OPERATOR, shape=_DISCOVERED)
def list_agency_targets(asked: Asked) -> Response:
    """List agencies for Prometheus

    For `http_sd_configs`: each leads to `/v1/agency-metrics`, with the agency's name as the label `agency`. At most
    200.
    """
    agencies = asked.services.tenancy.list_agencies(limit=MOST_AGENCIES).items
    return _listed(
        [
            {"targets": [request.host], "labels": {"__param_agency_id": str(one.id), "agency": one.name}}
            for one in agencies
            if one.status == "active"
        ]
    )


def _listed(targets: list[dict[str, Any]]) -> Response:
    return Response(json.dumps(targets, ensure_ascii=False), mimetype="application/json")


@endpoint(
    blueprint, "GET", "/v1/agency-metrics", roles=AGENCY, permission="calls.read", media_types=("text/plain",)
)  # fmt: skip
def get_agency_metrics(asked: Asked) -> Response:
    """Read one's own figures for Prometheus

    Calls that stand, calls and visits of the last quarter of an hour, numbers in pools, callers in queues, recordings:
    the agency's, in Prometheus' text format. No label says more than a state.
    """
    return Response(asked.services.noc.watch.agency_text(asked.agency_id), content_type=CONTENT_TYPE_LATEST)


@lru_cache(maxsize=1)
def _page() -> tuple[bytes, str, str]:
    """The page, its policy, its tag; they do not change while the process lives."""
    folder = files("dialtrace.api") / "templates"
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("noc.css", "noc.js"))
    text = (folder / "noc.html").read_text(encoding="utf-8")
    page = text.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script).encode()
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy, f'"{hashlib.sha256(page).hexdigest()[:32]}"'


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@public(
    blueprint, "/noc", summary="The NOC page", answers={200: "The page; it asks for a key."}, media_types=("text/html",)
)
def get_noc_page() -> Response:
    page, policy, tag = _page()
    response = Response(status=304) if is_known(request.headers, tag) else Response(page, mimetype="text/html")
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = policy
    return response
