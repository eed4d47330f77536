"""Logging of every process: structlog lines to standard error, text for people or JSON for machines.

No telephone number and no caller's name is ever logged; a call is named by its id.
"""

import logging
import sys

import structlog


def configure_logs(*, level: str = "info", form: str = "text", process: str = "") -> None:
    """Set up once, at the start of a process; ``process`` names it on every line."""
    numeric = getattr(logging, level.upper())
    logging.basicConfig(
        level=max(numeric, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    if process:
        structlog.contextvars.bind_contextvars(process=process)
