"""How many greenlets of a process live: one that is never ended is a leak that no memory figure shows for hours.

gevent tells of each that is started; they are held weakly, so that counting keeps none alive. A figure for the soak
(docs/howto/load-testing.md) and for whoever looks at a process that grows.
"""

from __future__ import annotations

import weakref

from gevent import Greenlet

from ..metrics import GREENLETS

_LIVING: weakref.WeakSet[Greenlet[..., object]] = weakref.WeakSet()


def count_greenlets() -> None:
    """From now on in this process."""
    Greenlet.add_spawn_callback(_LIVING.add)
    GREENLETS.set_function(living)


def living() -> int:
    """Those that were started and have not ended."""
    return sum(not greenlet.dead for greenlet in list(_LIVING))
