"""What the WSGI server runs: `granian --interface wsgi --factory dialtrace.wsgi:create_app` (see `dialtrace api`)."""

from __future__ import annotations

from wsgiref.types import WSGIApplication

from .api.app import create_app as create_api
from .config import load_settings
from .console.app import Faces, create_console
from .db.green import bound_psycopg
from .logs import configure_logs
from .services.api import build_api_services
from .tracing import begin_tracing


def create_app() -> WSGIApplication:
    """The API and the console, from the settings of this process's environment."""
    settings = load_settings()
    configure_logs(level=settings["DIALTRACE_LOG_LEVEL"], form=settings["DIALTRACE_LOG_FORMAT"], process="api")
    begin_tracing(settings["DIALTRACE_TRACES_URL"], "api")
    bound_psycopg()
    services = build_api_services(settings)
    services.visits.make_ready()
    api = create_api(services)
    return Faces(api, create_console(api))
