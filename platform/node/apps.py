"""Applications that change variables or the way a call goes, and the register of all applications.

Those with sound are in apps_media.py, ``bridge`` in bridging.py, ``socket`` in outbound.py.

Each takes the session and its expanded data; what it returns is the ``Application-Response``. Behaviour follows
``mod_dptools.c``; where the node does less, the docstring says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .causes import read_cause
from .errors import ScriptFailed
from .session import MAX_CALL_S, App, Session, read_transfer
from .syntax import separate

log = logging.getLogger(__name__)

APPS: dict[str, App] = {}


def app(*names: str) -> Callable[[App], App]:
    """Register an application under its names."""

    def register(run: App) -> App:
        for name in names:
            APPS[name] = run
        return run

    return register


@app("set")
def set_variable(session: Session, data: str) -> None:
    """``name=value``; the value is expanded a second time, as the switch does (base_set)."""
    name, equals, value = data.partition("=")
    if equals:
        session.channel.set(name.strip(), session.expand(value))


@app("multiset")
def multiset(session: Session, data: str) -> None:
    """``a=1 b=2``, or ``^^;a=1;b=2`` with another separator."""
    delimiter, text = " ", data
    if data.startswith("^^") and len(data) > 2:
        delimiter, text = data[2], data[3:]
    for piece in separate(text, delimiter):
        set_variable(session, piece)


@app("push")
def push(session: Session, data: str) -> None:
    """``name=value``: one more value of a variable, which keeps those that it has (base_set, SWITCH_STACK_PUSH)."""
    name, equals, value = data.partition("=")
    if equals and value:
        session.channel.push(name.strip(), session.expand(value))


@app("unset")
def unset(session: Session, data: str) -> None:
    session.channel.set(data.strip(), None)


@app("export")
def export(session: Session, data: str) -> None:
    """Set a variable here and on every leg dialled later. With ``_nolocal_`` it counts only there, being kept here
    under its whole name (switch_channel.c, switch_channel_export_variable_var_check). The older ``nolocal:`` puts a
    colon into the names of headers, where nobody can read them any more; this node does not know it."""
    name, equals, value = data.partition("=")
    name = name.strip()
    if not equals:
        return
    channel = session.channel
    channel.set(name, session.expand(value))
    names = (channel.get("export_vars") or "").split(",")
    if name not in names:
        channel.set("export_vars", ",".join(filter(None, [*names, name])))


def exported(session: Session) -> dict[str, str]:
    """The variables that dialled legs inherit."""
    channel = session.channel
    found = {}
    for name in (channel.get("export_vars") or "").split(","):
        value = channel.get(name) if name else None
        if value:
            found[name.removeprefix("_nolocal_")] = value
    return found


@app("answer")
def answer(session: Session, data: str) -> None:
    session.answer()


@app("pre_answer")
def pre_answer(session: Session, data: str) -> None:
    session.channel.pre_answer()


@app("ring_ready")
def ring_ready(session: Session, data: str) -> None:
    session.channel.ring_ready()


@app("sleep")
def sleep(session: Session, data: str) -> None:
    session.pause(int(data) / 1000 if data.strip().isdigit() else 0.0)


@app("hangup")
def hangup(session: Session, data: str) -> None:
    session.channel.hang_up(read_cause(data) if data.strip() else "NORMAL_CLEARING")


@app("transfer")
def transfer(session: Session, data: str) -> None:
    wanted = read_transfer(data)
    if wanted is None:
        return
    session.request_transfer(wanted)


@app("execute_extension")
def execute_extension(session: Session, data: str) -> None:
    """An extension within this one: no new profile, no new hunt of the channel, and then the next action
    (switch_core_session_execute_exten)."""
    wanted = read_transfer(data)
    if wanted is not None:
        session.run_within(wanted)


def _delay(text: str) -> float:
    """``+seconds`` from now, or an epoch second."""
    if text.startswith("+") and text[1:].isdigit():
        return float(text[1:])
    return float(text) - time.time() if text.isdigit() else 0.0


@app("sched_transfer")
def sched_transfer(session: Session, data: str) -> None:
    when, _, rest = data.strip().partition(" ")
    wanted = read_transfer(rest)
    if wanted is not None:
        _schedule(session, _delay(when), lambda: session.request_transfer(wanted))


@app("sched_hangup")
def sched_hangup(session: Session, data: str) -> None:
    when, _, rest = data.strip().partition(" ")
    cause = read_cause(rest.split()[0]) if rest.split() else "ALLOTTED_TIMEOUT"
    _schedule(session, _delay(when), lambda: session.channel.hang_up(cause))


def _schedule(session: Session, delay_s: float, run: Callable[[], None]) -> None:
    number = session.core.schedule.add(session.channel.uuid, delay_s, run)
    session.channel.set("last_sched_id", str(number))


@app("sched_cancel")
def sched_cancel(session: Session, data: str) -> None:
    """One task by its number; without one every task of this call (reference call-setup 3)."""
    schedule = session.core.schedule
    if data.strip().isdigit():
        schedule.cancel(int(data))
    else:
        schedule.cancel_all(data.strip() or session.channel.uuid)


@app("park")
def park(session: Session, data: str) -> None:
    """Hold the call until it is moved or hung up; bounded, since nothing here may wait for ever."""
    limit = session.channel.get("park_timeout") or ""
    number = limit.partition(":")[0]
    session.channel.fire("CHANNEL_PARK")
    if session.pause(float(number) if number.isdigit() else MAX_CALL_S):
        session.channel.hang_up(read_cause(limit.partition(":")[2]) if ":" in limit else "NORMAL_CLEARING")
    session.channel.fire("CHANNEL_UNPARK")


@app("lua")
def lua(session: Session, data: str) -> None:
    """A script beside the dialplan, in a sandbox (scripts.py). One that fails is told of, and the dialplan goes on."""
    try:
        session.core.scripts.run(data.strip(), session.channel)
    except ScriptFailed as fault:
        log.error("%s: %s", session.channel.uuid, fault)


@app("log")
def write_log(session: Session, data: str) -> None:
    level, _, text = data.partition(" ")
    log.info("%s %s: %s", session.channel.uuid, level, text)
