"""Entry point. Patches the process for gevent before anything else is imported, but only for the processes that live on
gevent: the call worker, the node monitor, the agent, the embedded node, its telephones and those that prove numbers.
The API (Granian refuses a patched parent), the jobs (asyncio) and the supervisors stay unpatched (STYLE 8).
"""

import sys

GEVENT_COMMANDS = frozenset({("work",), ("agent",), ("node",), ("phones",), ("live",), ("number",)})
#: Those whose loop is measured: calls, records or listeners wait for it.
MEASURED = frozenset({"work", "agent", "live"})
ASYNCIO_COMMANDS = frozenset({("work", "jobs")})


def lives_on_gevent(arguments: list[str]) -> bool:
    """Whether the command named by these arguments must run patched."""
    words = [word for word in arguments if not word.startswith("-")]
    return tuple(words[:1]) in GEVENT_COMMANDS and tuple(words[:2]) not in ASYNCIO_COMMANDS


def main() -> None:
    """The `dialtrace` command."""
    if lives_on_gevent(sys.argv[1:]):
        from gevent import monkey

        monkey.patch_all()
        from .db.green import patch_psycopg

        patch_psycopg()
        from .workers.greenlets import count_greenlets

        count_greenlets()
        if sys.argv[1:2] and sys.argv[1] in MEASURED:
            from .workers.hub_lag import watch_hub

            watch_hub()
    from .cli import cli

    cli(prog_name="dialtrace")


if __name__ == "__main__":
    main()
