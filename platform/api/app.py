"""The API as a WSGI application: puts the resources together. Knows nothing of where settings come from."""

from __future__ import annotations

import time

from apiflask import APIFlask
from flask import Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider

from ..sites.rates import Rates
from ..sites.signs import Signs
from . import (
    advice,
    agencies,
    answering,
    archive,
    assessments,
    attribution,
    audit,
    billing,
    blocks,
    brands,
    bulk,
    calls,
    carriers,
    clients,
    documents,
    events,
    explanations,
    export_schedules,
    exports,
    flow_trials,
    flows,
    health,
    hook_secrets,
    integration_deliveries,
    integrations,
    keys,
    limits,
    live,
    named_reports,
    noc,
    nodes,
    number_orders,
    number_returns,
    numbers,
    oauth,
    openapi,
    page_visits,
    payback,
    pool_forecasts,
    pool_leases,
    pools,
    price_books,
    problems,
    prompts,
    quotas,
    recording_stores,
    recordings,
    reference,
    report_settings,
    report_subscriptions,
    reports,
    reratings,
    retention,
    revisions,
    schedules,
    sessions,
    sites,
    snippets,
    sources,
    spend,
    statements,
    subject_requests,
    targets,
    trunks,
    users,
    visits,
    webhook_deliveries,
    webhooks,
)
from .endpoint import BODILESS, EXTENSION
from .errors import SecretKeyMissing
from .gate import MAX_BODY_BYTES
from .page_answers import PageAnswers
from .page_front import PageFront
from .rooms import ApiServices

__all__ = ["ApiServices", "create_app"]

_TAKEN = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Range, X-Request-Id"
_TOLD = "ETag, Idempotent-Replayed, Link, Location, Retry-After, X-Request-Id"


#: Everything that has addresses, in the order of the reference.
RESOURCES = (
    agencies,
    brands,
    limits,
    blocks,
    trunks,
    carriers,
    clients,
    documents,
    hook_secrets,
    targets,
    flows,
    flow_trials,
    schedules,
    prompts,
    numbers,
    number_orders,
    number_returns,
    sites,
    snippets,
    sources,
    pools,
    pool_forecasts,
    pool_leases,
    visits,
    page_visits,
    calls,
    report_settings,
    advice,
    payback,
    report_subscriptions,
    named_reports,
    reports,
    spend,
    assessments,
    attribution,
    live,
    explanations,
    revisions,
    recordings,
    recording_stores,
    price_books,
    billing,
    statements,
    reratings,
    exports,
    export_schedules,
    archive,
    events,
    webhooks,
    webhook_deliveries,
    integrations,
    integration_deliveries,
    bulk,
    keys,
    users,
    sessions,
    oauth,
    audit,
    nodes,
    noc,
    retention,
    subject_requests,
    reference,
    health,
)


def create_app(services: ApiServices) -> APIFlask:
    """The application. Raises SecretKeyMissing."""
    if not services.secret_key:
        raise SecretKeyMissing
    app = APIFlask("dialtrace.api", title=openapi.TITLE, version=openapi.VERSION, spec_path=None, docs_path=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        SUCCESS_DESCRIPTION="OK",
        AUTO_200_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        SERVERS=[{"url": "/"}],
        DESCRIPTION=openapi.DESCRIPTION,
        SECURITY_SCHEMES=openapi.SECURITY_SCHEMES,
        TAGS=openapi.TAGS,
    )
    app.json = CompactJson(app)
    # A path is right or wrong; no redirect carries a key to another address.
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.extensions[EXTENSION] = services
    app.extensions[page_visits.SIGNS] = signs = Signs(services.visits.see)
    rates = Rates(services.visits_per_min, services.clock.monotonic_s)
    app.extensions[quotas.QUOTAS] = quotas.Quotas(
        services.database,
        services.clock,
        per_key=services.requests_per_min,
        per_agency=services.agency_requests_per_min,
    )
    app.extensions[health.READINESS] = health.Readiness(services.database).check
    app.spec_processor(openapi.complete)
    problems.install(app)
    oauth.install(app)
    app.before_request(begin)
    app.after_request(finish)
    for module in RESOURCES:
        app.register_blueprint(module.blueprint)
    check_declared(app)
    front = PageFront(app.wsgi_app, PageAnswers(services, rates, signs))
    app.extensions[page_visits.FRONT] = front.answer
    app.wsgi_app = front  # type: ignore[method-assign]
    return app


class CompactJson(DefaultJSONProvider):
    """Members stay in the order in which the models name them."""

    sort_keys = False
    ensure_ascii = False
    compact = True


def check_declared(app: APIFlask) -> None:
    """No address without a declaration: whoever adds one has said who may use it."""
    undeclared = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "declaration") and rule.endpoint != "static"
    ]
    assert not undeclared, f"declare with endpoint() or public(): {undeclared}"


def begin() -> None:
    """Names the request, and starts its clock."""
    g.request_id = answering.request_id_of(request.headers.get("X-Request-Id", ""))
    g.began_s = time.perf_counter()
    answering.name_lines(g.request_id, request.view_args)


def allow_origin(response: Response) -> None:
    """Pages of the origins that the operator has named may use the API by a key. Never by a cookie: an answer that a
    browser may hand on says nothing of credentials."""
    origin = request.headers.get("Origin")
    if origin is None or not request.path.startswith("/v1/"):
        return
    response.headers.add("Vary", "Origin")
    services: ApiServices = current_app.extensions[EXTENSION]
    if origin not in services.origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _TOLD
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
        response.headers["Access-Control-Allow-Headers"] = _TAKEN
        response.headers["Access-Control-Max-Age"] = "600"


def finish(response: Response) -> Response:
    """What every answer carries; and counts it."""
    headers = response.headers
    headers["X-Request-Id"] = g.request_id
    headers.extend(g.get(quotas.HEADERS, {}))
    headers.set(*answering.NOSNIFF)
    for name, value in answering.DEFAULTS:
        headers.setdefault(name, value)
    if response.status_code in BODILESS and not response.calculate_content_length():
        # Nothing is of no type.
        headers.pop("Content-Type", None)
    allow_origin(response)
    route = request.url_rule.rule if request.url_rule is not None else "unmatched"
    took_s = time.perf_counter() - g.began_s
    answering.count(request.method, route, response.status_code, took_s)
    answering.trace(request.method, route, response.status_code, took_s, request.view_args)
    return response
