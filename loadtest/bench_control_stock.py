"""A stock greenswitch client that listens to a switch's events and counts them, nothing more.

Run by bench_control.py: ``bench_control_stock.py PORT COUNT``; ends when it has heard so many.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

from gevent.event import Event  # noqa: E402
from greenswitch import InboundESL  # noqa: E402


def main() -> None:
    """Listen until all were heard."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    heard, done = 0, Event()

    def hear(_event: object) -> None:
        nonlocal heard
        heard += 1
        if heard == count:
            done.set()

    client = InboundESL("127.0.0.1", port, "any")
    client.connect()
    client.register_handle("*", hear)
    client.send("events plain CHANNEL_CREATE CHANNEL_HANGUP_COMPLETE")
    done.wait(120)


if __name__ == "__main__":
    main()
