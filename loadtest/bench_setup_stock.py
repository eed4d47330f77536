"""A stock greenswitch server that connects calls in the way of its README: holds the socket, listens to the call's
events (``myevents``, ``linger``) and waits in ``bridge``. It runs the actions of the same plan without looking it up.

Run by bench_setup.py: ``bench_setup_stock.py PORT PLAN_FILE``.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
from greenswitch import OutboundESLServer  # noqa: E402
from greenswitch.esl import NotConnectedError, OutboundSession, OutboundSessionHasGoneAway  # noqa: E402

from dialtrace.calls.plan import CALL_MARK  # noqa: E402
from dialtrace.loadtest.bench_setup_plain import PlanAction, plan_actions  # noqa: E402

#: Its default of 100 calls at a time would be its limit here, so it gets more than the switch takes.
MOST_CALLS = 1000


def application(actions: list[PlanAction]) -> type:
    """What the server runs for each call: the plan's actions in order, the last one waited for."""

    class ConnectCall:
        def __init__(self, session: OutboundSession) -> None:
            self.session = session

        def run(self) -> None:
            session = self.session
            try:
                session.myevents()
                session.linger()
                for action in actions:
                    data = action.data.replace(CALL_MARK, session.uuid)
                    if action.application == "bridge":
                        session.bridge(data, block=True)
                        return
                    session.call_command(action.application, data)
            except (OutboundSessionHasGoneAway, NotConnectedError, OSError):
                return  # the call has ended: what this server hears of every good call, too

    return ConnectCall


def main() -> None:
    """Serve until killed."""
    port, plan_file = int(sys.argv[1]), Path(sys.argv[2])
    actions = plan_actions(plan_file.read_text(encoding="utf-8"))
    server = OutboundESLServer("127.0.0.1", port, application=application(actions), max_connections=MOST_CALLS)
    gevent.spawn(server.listen).join()


if __name__ == "__main__":
    main()
