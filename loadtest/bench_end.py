"""How every benchmark ends: what it started is stopped, and its exit status says what came of it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from dialtrace.errors import DialtraceError


def ended(measure: Callable[[], int]) -> int:
    """The exit status of ``measure``; 2 for what was foreseen, 130 for Ctrl-C. SIGTERM is a Ctrl-C too: the default
    would leave what was started running."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return measure()
    except DialtraceError as fault:
        print(f"cannot measure: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
