"""Three times what a node admits is offered: who is too much is told so with the right cause and has a record that says
why, and nobody who stands notices."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .calls import FINISH, GO_ON, plan
from .phone import Dialog, Phone, Target, answers
from .switch import Switch, Worker

RATE, SECONDS = 5, 3


def _outcome(dialog: Dialog) -> int:
    """The final status; 0: none within the time."""
    with dialog.changed:
        dialog.changed.wait_for(lambda: bool(dialog.finals), 10)
    return dialog.final().status if dialog.finals else 0


def _records(spool: Path) -> Counter[str]:
    """Why calls were refused, as their records say it."""
    found: Counter[str] = Counter()
    for path in (spool / "cdr").glob("a_*.json"):
        variables = json.loads(path.read_text(encoding="utf-8"))["variables"]
        found[variables.get("dialtrace_refused") or "not refused"] += 1
    return found


def test_given_three_times_what_a_node_admits_then_the_rest_is_refused_and_recorded_and_standing_calls_go_on(
    tmp_path: Path, worker: Worker, phone: Phone, target: Callable[..., Target]
) -> None:
    small = Switch(tmp_path, worker.port, max_rate=f"{RATE}/1", max_calls=40)
    try:
        callee = target(answers(0.0))
        number = plan(worker, f"{GO_ON}bridge:{callee.address}{FINISH}")
        standing = phone.call(small.sip, number)
        standing.answered()
        time.sleep(1.1)

        offered = []
        began_s = time.monotonic()
        for n in range(3 * RATE * SECONDS):
            offered.append(phone.call(small.sip, number))
            time.sleep(max(0.0, began_s + (n + 1) / (3 * RATE) - time.monotonic()))
        took_s = time.monotonic() - began_s
        statuses = Counter(_outcome(dialog) for dialog in offered)

        # Each second of the switch's own clock takes so many; the offer may touch one second more than it lasts.
        assert set(statuses) == {200, 503}, statuses
        assert RATE <= statuses[200] <= RATE * (int(took_s) + 2)
        assert statuses[503] >= len(offered) - RATE * (int(took_s) + 2)
        assert "BYE" not in standing.seen
        for dialog in offered:
            if dialog.final().status == 200:
                dialog.bye()
        until_s = time.monotonic() + 10
        while _records(small.spool).total() < len(offered) and time.monotonic() < until_s:
            time.sleep(0.1)
        assert _records(small.spool) == {"node_rate": statuses[503], "not refused": statuses[200]}
        # The node is well again, and its first call never knew.
        time.sleep(1.1)
        last = phone.call(small.sip, number)
        last.answered()
        assert "BYE" not in standing.seen
        for dialog in (last, standing):
            dialog.bye()
        small.wait_until_free(phone)
    finally:
        small.stop()
