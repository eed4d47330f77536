"""The embedded node on another dialplan than the packaged one; everything else as ``dialtrace node`` has it.

Run by bench_setup.py: ``bench_setup_node.py DIALPLAN`` and then the arguments of ``dialtrace node``.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import os  # noqa: E402
from pathlib import Path  # noqa: E402

from dialtrace.config import host_port  # noqa: E402
from dialtrace.logs import configure_logs  # noqa: E402
from dialtrace.node.main import run_node  # noqa: E402
from dialtrace.node.model import NodeConfig  # noqa: E402


def config() -> NodeConfig:
    """From the command line and DIALTRACE_NODE_PASSWORD."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dialplan", type=Path)
    for name in ("name", "worker", "rtp"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("sip", "event-socket"):
        parser.add_argument(f"--{name}", type=host_port, required=True)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--max-calls", type=int, required=True)
    given = parser.parse_args()
    first, _, last = given.rtp.partition("-")
    return NodeConfig(
        name=given.name,
        sip_host=given.sip[0],
        sip_port=given.sip[1],
        event_socket_host=given.event_socket[0],
        event_socket_port=given.event_socket[1],
        event_socket_password=os.environ["DIALTRACE_NODE_PASSWORD"],
        spool=given.spool,
        worker=given.worker,
        rtp_first=int(first),
        rtp_last=int(last),
        max_calls=given.max_calls,
        dialplan=given.dialplan,
    )


if __name__ == "__main__":
    configure_logs(process="bench-node")
    run_node(config())
