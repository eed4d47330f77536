"""The table of rooms (docs/architecture.md) as data."""

#: Level of each room or top module. A room imports only rooms of lower levels, unless ALSO says so.
LEVELS = {
    "__main__": 10, "cli": 9, "cli_prompt": 8, "up": 8, "launch": 7, "freeswitch_launch": 6, "preflight": 6, "demo": 8,
    "supervisor": 2, "leftovers": 1, "rolling": 3, "cli_node": 8, "cli_proofs": 8, "cli_options": 4, "cli_demo": 8,
    "cli_events": 8, "cli_privacy": 8, "cli_secrets": 8, "cli_jobs": 8, "cli_export": 8,
    "workers": 7, "wsgi": 7,
    "services": 6, "api": 5,
    "cdr": 4, "calls": 4, "privacy": 4, "exports": 4,
    "recording": 3, "prompts": 3,
    "tenancy": 2, "audit": 2, "admission": 2, "trunks": 2, "numbers": 2, "pool": 2, "live": 2, "decisions": 2,
    "jobs": 2,
    "db": 1, "events": 1, "esl": 1, "objectstore": 1, "journal": 1, "nodesfile": 1, "outgoing": 1,
    "apiclient": 1,
    "errors": 0, "clock": 0, "phone": 0, "metrics": 0, "config": 0, "logs": 0, "ids": 0, "paging": 0, "priority": 0,
    "messages": 3, "webhooks": 4, "cli_webhooks": 8,
    "readiness": 0, "secrets_box": 0,
    "node": 2,
    # Of a person: what rooms that hold something of one offer, so that any may.
    "subjects": 1,
    "cli_sealing": 8,
}  # fmt: skip

#: Imports on one line or upward that are allowed, with the reason.
ALSO = {
    ("cli_demo", "demo"): "the command of the demonstration runs it",
    ("pool", "numbers"): "the pool manager writes the placement of numbers",
    ("events", "db"): "the log is a table",
    ("exports", "cdr"): "calls are exported by the filters of GET /v1/calls",
    ("config", "errors"): "level 0 may use the root error",
    ("config", "secrets_box"): "a key that is not one is found when settings are read",
    ("secrets_box", "errors"): "level 0 may use the root error",
    ("phone", "errors"): "level 0 may use the root error",
    ("metrics", "errors"): "level 0 may use the root error",
}

#: Who may read the settings and set up logging: nobody else sees the config object.
READ_CONFIG = {
    "__main__", "cli", "cli_demo", "cli_events", "cli_options", "cli_privacy", "cli_proofs", "cli_secrets",
    "up", "launch", "preflight", "demo", "wsgi", "services", "config",
    "cli_webhooks",
    "cli_sealing", "cli_prompt",
    "cli_export",
}  # fmt: skip

#: Between rooms only these modules are public. A room may offer further ones on purpose.
PUBLIC = {"model", "errors", "service", "store"}
OFFERED = {
    "admission": {"erasure", "errors", "model", "service", "spam", "store"},
    "db": {"engine", "tables", "embedded", "migrate", "partitions", "green", "errors"},
    "esl": {"admission", "commands", "errors", "events", "inbound", "outbound", "safe", "wire"},
    "api": {"app"},
    "services": {
        "api",
        "call_plane",
        "databases",
        "jobs",
        "outside",
        "persons",
        "sealing",
        "stores",
        "tenants",
        "webhook_sending",
    },
    "calls": {
        "asking",
        "errors",
        "flows",
        "live",
        "live_rows",
        "model",
        "nodes",
        "plan",
        "plan_file",
        "queueing",
        "routes",
        "service",
        "target_hosts",
    },
    "exports": {"columns", "errors", "formats", "making", "model", "scheduling", "service"},
    "jobs": {"errors", "model", "runner", "service", "silence"},
    "cdr": {"erasure", "model", "errors", "service", "store", "interpret", "numbering", "explain"},
    "pool": {"errors", "model", "placement", "service"},
    "trunks": {"errors", "gateways", "model", "service"},
    "numbers": {"errors", "model", "schedule", "service", "store"},
    "live": {"model", "service", "stream"},
    "privacy": {"copies", "errors", "holdings", "model", "receipts", "requests", "retention", "service", "signing"},
    "messages": {"errors", "model", "page", "rendering", "service"},
    "webhooks": {"claims", "erasure", "errors", "model", "sending", "service"},
    "node": {"main", "model", "phones", "phones_plan", "proving"},
    "workers": {"agent", "call", "hooks", "jobs", "live_server", "monitor", "proofs", "route_copy", "webhooks"},
    "demo": {"kills", "run", "stage"},
    "objectstore": {"service", "errors", "model", "sealing"},
    "recording": {"errors", "erasure", "guard", "model", "peaks", "place_store", "service", "store", "stores"},
    "outgoing": {"errors", "model", "service", "signing"},
    "secrets_box": {"errors", "master_keys", "model"},
    "prompts": {"model", "errors", "service", "sound", "speech"},
}

#: A library and the only places that may import it (room, or room/module).
LIBRARIES = {
    "sqlalchemy": {
        "db",
        "*/store",
        "*/service",
        "calls/publishing",
        "recording/place_store",
        "privacy/copies",
        "privacy/copy_store",
        "privacy/request_store",
        "privacy/signing",
        "privacy/requests",
        "privacy/retention",
        "exports/making",
        "exports/rows",
        "exports/scheduling",
    },
    "flask": {"api", "wsgi"},
    "apiflask": {"api", "wsgi"},
    "boto3": {"objectstore"},
    "botocore": {"objectstore"},
    "gevent": {"__main__", "workers", "node", "esl", "db/green"},
    "urllib3": {"outgoing"},
    "sippy": {"node"},
    "greenswitch": {"esl"},
    "psycopg2": {"db", "*/store"},
    "lupa": {"node"},
    "click": {
        "cli",
        "cli_sealing",
        "cli_demo",
        "cli_events",
        "cli_jobs",
        "cli_node",
        "cli_options",
        "cli_privacy",
        "cli_export",
        "cli_prompt",
        "cli_proofs",
        "up",
        "cli_webhooks",
    },
    "alembic": {"db"},
    "cryptography": {"secrets_box", "objectstore/sealing", "privacy/receipts"},
    "pyarrow": {"exports/formats"},
    "procrastinate": {"jobs", "workers/jobs"},
    "psycopg": {"jobs"},
    "psycopg_pool": {"workers/jobs"},
}

#: calls can reach neither the object store nor recording beyond its model (DESIGN, rooms).
FORBIDDEN = {("calls", "objectstore"), ("calls", "recording"), ("calls", "cdr"), ("cdr", "calls"), ("node", "db")}
