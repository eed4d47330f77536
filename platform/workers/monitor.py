"""The node monitor: beside each switch, one connection to it on loopback. Hears which calls begin and end and keeps
them in the node's journal, follows them while they live and wakes those that wait, knows how the switch is, keeps its
fallback plans, makes its recording folders ahead.

It decides nothing about a call and ends none. When it is away, calls go on; when it is back it asks the switch what it
missed. Must not know the object store, records or agents.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
import structlog
from gevent.event import Event as Signal
from gevent.pool import Group

from ..calls.routes import RouteStore
from ..calls.service import NodeService
from ..clock import from_microseconds
from ..db.engine import Database
from ..esl import commands
from ..esl.errors import EslError
from ..esl.events import Event
from ..esl.inbound import InboundClient
from ..journal.errors import JournalError
from ..journal.store import Started
from ..metrics import (
    NODE_CALLS_BEGUN,
    NODE_EVENTS_LAG_SECONDS,
    NODE_EVENTS_QUEUED,
    NODE_LAST_SEEN,
    NODE_MAX_SESSIONS,
    NODE_RECONNECTS,
    NODE_ROUND_TRIP_SECONDS,
    NODE_SESSIONS,
    NODE_UP,
)
from ..nodesfile import NodeSettings
from ..prompts.service import PromptSounds
from ..readiness import tell_ready
from ..trunks.gateways import Gateway
from ..watching.model import MinuteBook
from ..watching.service import WatchService
from .drain import NodeDrain, make_drain
from .gateway_keeper import GatewayKeeper
from .journal_gap import JournalGap, now_us
from .journal_writer import JournalWriter
from .live_facts import FILTERS, LIVE_EVENTS
from .live_watch import LiveWatch
from .noc_notes import NocNotes
from .node_reporter import NodeReporter
from .plan_keeper import PlanKeeper
from .prompt_files import PromptKeeper, keep_standard
from .recording_folders import keep_recording_folders
from .route_copy import RouteCopyFile
from .route_keeper import RouteKeeper
from .rule_keeper import RuleKeeper
from .switch_facts import count_of, event_json, is_caller_leg, live_calls, started_of
from .switch_probe import nobody_listens

log = structlog.get_logger("monitor")

#: As few as will do: every event costs the switch and us.
EVENTS = (*LIVE_EVENTS, "HEARTBEAT")
#: A question that the switch answers at once if it is alive. Heartbeats alone go on while call threads are stuck
#: (freeswitch.md 2).
PROBE_EVERY_S = 5.0
PROBE_TIMEOUT_S = 3.0
#: `show channels` on a full node is some megabytes.
RESYNC_TIMEOUT_S = 15.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
#: Nobody listens on either port for so long: the process is gone, and its calls with it.
DOWN_AFTER_S = 3.0
STOP_TIMEOUT_S = 3.0


class NodeMonitor:
    """Watches one node."""

    def __init__(
        self,
        node: NodeSettings,
        *,
        reporter: NodeReporter,
        journal: JournalWriter,
        database: Database,
        book: MinuteBook | None = None,
    ) -> None:
        self._node = node
        self._book = book or MinuteBook()
        NODE_CALLS_BEGUN.labels(node.name)
        self._reporter = reporter
        self._journal = journal
        self._gap = JournalGap(node=node.name, journal=journal, switch=self)
        #: What follows the calls while they live.
        self.live = LiveWatch(node=node.name, database=database, switch=self, is_up=lambda: self._state == "up")
        self._ended = Signal()
        self._core_uuid: str | None = None
        self._resyncing: set[str] | None = None
        self._state = "unknown"
        self._drain: NodeDrain | None = None
        host, port = node.event_socket_address
        self._client = InboundClient(
            host,
            port,
            node.event_socket_password,
            on_event=self._on_event,
            on_disconnect=self._on_disconnect,
        )

    @property
    def core_uuid(self) -> str | None:
        """The run of the switch, while it is heard."""
        return self._core_uuid if self._state == "up" else None

    @property
    def state(self) -> str:
        """up, down or unknown."""
        return self._state

    def attend(self, drain: NodeDrain) -> None:
        """Have it told of every link before anything else."""
        self._drain = drain

    def api(self, name: str, *args: str, timeout_s: float | None = None) -> str:
        """Asks the switch. Raises the errors of the link, CommandRefused among them."""
        return self._client.api(name, *args, timeout_s=timeout_s)

    def run(self) -> None:
        """Until the greenlet is killed: connect, resynchronise, probe; when the link ends, begin again."""
        pause_s, gone_since_s = FIRST_PAUSE_S, None
        while True:
            linked = self._link()
            # A switch that is to take no call takes them from its start until we tell it.
            drains = self._drain is not None and self._drain.is_wanted
            pause_s = FIRST_PAUSE_S if linked or drains else min(pause_s * 2, LONGEST_PAUSE_S)
            NODE_RECONNECTS.labels(self._node.name).inc()
            if not nobody_listens(self._node):
                gone_since_s = None
            elif gone_since_s is None or linked:
                gone_since_s = time.monotonic()
            self._not_up(gone_since_s)
            # Jitter, so that several monitors do not come back in step.
            gevent.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311

    def _link(self) -> bool:
        """One link from its beginning to its end; whether it came up at all."""
        linked = False
        self._ended.clear()
        try:
            self._client.connect()
            if self._drain is not None:
                self._drain.on_linked()
            self._resync()
            linked = True
            self._probe_until_ended()
        except (EslError, JournalError, ValueError) as fault:
            log.warning("no link to the switch", node=self._node.name, fault=str(fault))
        finally:
            self._client.close(timeout_s=0.5)
            self.live.broken()
        return linked

    # --- what the switch says ---

    def _on_event(self, event: Event) -> None:
        if event.name == "CHANNEL_CREATE" and is_caller_leg(event):
            row = started_of(event, now_us=now_us())
            if row is None:
                log.error("a call began without what its journal row needs", node=self._node.name, call=event.call_id)
                return
            self._journal.began(row)
            NODE_CALLS_BEGUN.labels(self._node.name).inc()
            self._book.begun(self._node.name, from_microseconds(row.started_us))
        elif event.name == "CHANNEL_HANGUP_COMPLETE" and is_caller_leg(event) and event.call_id:
            if self._resyncing is not None:
                self._resyncing.add(event.call_id)
            self._journal.ended(event.call_id, event_json(event))
        elif event.name == "HEARTBEAT":
            self._on_heartbeat(event)
            return
        if is_caller_leg(event):
            self.live.hear(event)

    def _on_heartbeat(self, event: Event) -> None:
        sessions, most = count_of(event, "Session-Count"), count_of(event, "Max-Sessions")
        if sessions is not None:
            NODE_SESSIONS.labels(self._node.name).set(sessions)
        if most is not None:
            NODE_MAX_SESSIONS.labels(self._node.name).set(most)
        if event.core_id == self._core_uuid:
            self._up(sessions=sessions, max_sessions=most, switch_version=event.get("FreeSWITCH-Version"))

    def _on_disconnect(self, fault: EslError) -> None:
        log.info("the link to the switch ended", node=self._node.name, fault=str(fault))
        self._ended.set()

    # --- asking the switch ---

    def _resync(self) -> None:
        """Makes up for what was missed while there was no link. Events are heard from the subscription on, so nothing
        falls between them and the list; a call in both is one row."""
        self._resyncing = set()
        try:
            core_uuid = self._ask_core()
            # Before any row of this run: a row of another run than this is a lost call.
            self._journal.call("core", core_uuid, "up", seen_at_us=now_us())
            before: list[Started] = self._journal.call("pending")
            for header, value in FILTERS:
                self._client.command(commands.filter_header(header, value))
            self._client.subscribe(*EVENTS)
            live = live_calls(self._client.api("show", "channels", "as", "json", timeout_s=RESYNC_TIMEOUT_S))
            self._gap.add_standing(live, core_uuid, lambda: self._resyncing or ())
            self._gap.close_gone(before, live, core_uuid)
            self.live.resync(live)
            self._core_uuid = core_uuid
        finally:
            self._resyncing = None
        log.info("linked to the switch", node=self._node.name, core_uuid=core_uuid, calls=len(live))
        self._up()

    def _ask_core(self) -> str:
        """The run that the switch is in; a new one after every start of it."""
        with NODE_ROUND_TRIP_SECONDS.labels(self._node.name).time():
            answer = self._client.api("global_getvar", "core_uuid", timeout_s=PROBE_TIMEOUT_S).strip()
        if not 8 <= len(answer) <= 64:
            raise ValueError(f"the switch does not say its core_uuid: {answer[:40]!r}")
        return answer

    def _probe_until_ended(self) -> None:
        while not self._ended.wait(timeout=PROBE_EVERY_S):
            NODE_EVENTS_QUEUED.labels(self._node.name).set(self._client.queued)
            NODE_EVENTS_LAG_SECONDS.labels(self._node.name).set(self._client.dispatch_lag_s)
            if self._ask_core() != self._core_uuid:
                return
            self._up()

    # --- what we make of it ---

    def _up(self, **told: Any) -> None:
        self._state = "up"
        NODE_UP.labels(self._node.name).set(1)
        NODE_LAST_SEEN.labels(self._node.name).set_to_current_time()
        self._reporter.tell("up", seen=True, core_uuid=self._core_uuid, **told)

    def _not_up(self, gone_since_s: float | None) -> None:
        """Unknown, unless it is proven that no process is there: we must never call a switch dead because we could not
        ask (peers.md 4)."""
        down = gone_since_s is not None and time.monotonic() - gone_since_s >= DOWN_AFTER_S
        state = "down" if down else "unknown"
        NODE_UP.labels(self._node.name).set(0 if down else -1)
        if state == self._state:
            return
        self._state = state
        try:
            self._journal.call("core", None, state, seen_at_us=now_us())
        except JournalError as fault:
            log.error("the journal does not know the switch's state", node=self._node.name, fault=str(fault))
        if down:
            self.live.down()
        self._reporter.tell(state, seen=False)


def run_monitor(
    nodes: Sequence[NodeSettings],
    database: Database,
    *,
    route_copy: Path,
    find_gateways: Callable[[], Sequence[Gateway]],
    render_standard: Callable[[], None] = lambda: None,
    find_targets: Callable[[], Sequence[Mapping[str, str]]] = lambda: (),
) -> None:
    """Watches the nodes until SIGTERM or SIGINT, and keeps the machine's copy of the routes in the file ``route_copy``.
    ``find_gateways`` tells the trunks that want a password; ``render_standard`` makes sure of the apologies and the
    like that every installation says, ``find_targets`` which processes of the machine serve metrics. The process must
    be patched for gevent (``__main__``)."""
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    routes, node_rows, group = RouteStore(database), NodeService(database), Group()
    sounds = PromptSounds(database)
    links, journals, watches = [], [], []
    noc = NocNotes(WatchService(database), book=MinuteBook(), find_targets=find_targets)
    for node in nodes:
        journal = JournalWriter(node=node.name, path=node.journal_path)
        reporter = NodeReporter(node, node_rows.report)
        monitor = NodeMonitor(node, reporter=reporter, journal=journal, database=database, book=noc.book)
        keeper = PlanKeeper(
            node=node.name, spool=node.spool, routes_changed=routes.routes_changed, find_sounds=sounds.rendered
        )
        rules = RuleKeeper(node=node.name, spool=node.spool, rules_changed=routes.rules_changed)
        _start(group, f"rules-{node.name}", rules.run)
        _start(group, f"prompts-{node.name}", PromptKeeper(node=node.name, spool=node.spool, sounds=sounds).run)
        drain = make_drain(node, monitor=monitor, journal=journal, database=database)
        monitor.attend(drain)
        _start(group, f"drain-{node.name}", drain.run)
        journals.append(journal)
        links.append(_start(group, f"link-{node.name}", monitor.run))
        watches.append(monitor.live)
        for name, run in monitor.live.greenlets():
            _start(group, name, run)
        for name, run in (("journal", journal.run), ("report", reporter.run), ("plans", keeper.run)):
            _start(group, f"{name}-{node.name}", run)
        _start(group, f"folders-{node.name}", keep_recording_folders, node)
        gateways = GatewayKeeper(
            node=node.name, spool=node.spool, find_gateways=find_gateways, api=monitor.api,
            core_uuid=lambda monitor=monitor: monitor.core_uuid,  # type: ignore[misc]
        )  # fmt: skip
        _start(group, f"gateways-{node.name}", gateways.run)
    route_keeper = RouteKeeper(file=RouteCopyFile(route_copy), routes_changed=routes.routes_changed)
    _start(group, "routes", route_keeper.run)
    _start(group, "standard-prompts", keep_standard, render_standard)
    _start(group, "noc", noc.run)
    log.info("monitor ready", nodes=[node.name for node in nodes])
    tell_ready()
    stop.wait()
    # Links first: a closing link still delivers what it has received, and all of it is written before the process goes.
    gevent.killall(links, block=True, timeout=STOP_TIMEOUT_S)
    for journal in journals:
        journal.drain(STOP_TIMEOUT_S)
    group.kill(block=True, timeout=STOP_TIMEOUT_S)
    gevent.joinall([gevent.spawn(watch.flush) for watch in watches], timeout=STOP_TIMEOUT_S)
    for journal in journals:
        journal.close()
    database.dispose()


def _start(group: Group, name: str, run: Callable[..., None], *values: Any) -> gevent.Greenlet[..., None]:
    """A greenlet that is begun again should it die: that is a fault of ours, and must not take the others along."""

    def guarded() -> None:
        while True:
            try:
                run(*values)
            except Exception:
                log.exception("a greenlet died and is begun again", greenlet=name)
            gevent.sleep(1.0)

    greenlet: gevent.Greenlet[..., None] = group.spawn(guarded)
    greenlet.name = name
    return greenlet
