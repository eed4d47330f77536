"""Where drills take place: a platform of its own, telephones, an edge that knows which nodes take calls, and hands that
stop and start what a drill names. Everything goes with it."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from dialtrace.calls.nodes import Node, NodeDirectory
from dialtrace.db.embedded import EmbeddedServer, start_embedded
from dialtrace.db.engine import Database
from dialtrace.demo.mix import PlannedCall, Provisioned, plan_calls
from dialtrace.demo.phones import PhonesOfKind
from dialtrace.demo.sipp import Sipp
from dialtrace.demo.stage import Demo, make_callers
from dialtrace.errors import DialtraceError
from dialtrace.freeswitch_launch import options_status
from dialtrace.journal.store import Journal
from dialtrace.launch import answers_http
from dialtrace.loadtest.chaos_disk import SmallDisk
from dialtrace.loadtest.chaos_offer import Offer
from dialtrace.loadtest.chaos_store import DrilledStore

TEND_EVERY_S = 0.2
#: Callers wait this long for the last answer of a node that died.
CALLERS_GRACE_S = 60.0
BACK_TIMEOUT_S = 60.0


class DrillFailed(DialtraceError):
    """A drill could not be carried out."""


@dataclass
class OwnDatabase:
    """The platform's PostgreSQL: nobody starts it again but a drill."""

    folder: Path
    server: EmbeddedServer

    def stop(self) -> None:
        """As an operator stops it."""
        self.server.stop()

    def crash(self) -> None:
        """As a power cut leaves it: nothing is finished, and its next start recovers."""
        processes = self._processes()
        processes[0].send_signal(signal.SIGQUIT)
        psutil.wait_procs(processes, timeout=BACK_TIMEOUT_S)

    def start(self) -> None:
        self.server = start_embedded(self.folder)

    def freeze(self) -> None:
        """It stands there and answers nothing, like a machine whose disk hangs."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def _processes(self) -> list[psutil.Process]:
        pid = int((self.folder / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        postmaster = psutil.Process(pid)
        return [postmaster, *postmaster.children(recursive=True)]


def standing_calls(path: Path) -> int:
    """Calls that a node's journal knows."""
    journal = Journal(path)
    try:
        return len(journal.pending())
    finally:
        journal.close()


@contextmanager
def own_database(folder: Path, found: list[OwnDatabase]) -> Iterator[str]:
    """A server that lives until the end; ``found`` gets it."""
    database = OwnDatabase(folder / "postgres", start_embedded(folder / "postgres"))
    found.append(database)
    try:
        yield database.server.url
    finally:
        with suppress(psutil.Error, OSError):
            database.thaw()
        database.stop()


@dataclass
class Arena:
    """One platform with its load. A drill places load, breaks something, mends it."""

    demo: Demo
    database: OwnDatabase
    provisioned: Provisioned
    #: How long what is away stays away.
    away_s: float
    seed: int = 1
    #: Where recordings go, if a drill is about that.
    store: DrilledStore | None = None
    #: What the spools stand on, if a drill is about that.
    disks: Sequence[SmallDisk] = ()
    notes: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    _callers: list[tuple[str, Sipp | PhonesOfKind]] = field(default_factory=list)
    _loads: int = 0
    #: What callers heard who were not placed by a load, by kind.
    _heard: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return self.demo.options.rate

    @property
    def workers(self) -> list[str]:
        return self.of_kind("worker")

    def of_kind(self, kind: str) -> list[str]:
        """Names of the processes of that kind."""
        return [name for name, child in self.demo.supervisor.children.items() if child.spec.kind == kind]

    # --- load ---

    def load(self, seconds: float, *, without: Sequence[str] = (), only: Sequence[str] = ()) -> None:
        """Callers begin now and go on placing calls for so long; ``without``: nodes that the edge sends nothing to;
        ``only``: kinds of calls."""
        self._loads += 1
        nodes = [node for node in self.demo.plan.nodes if node.name not in without]
        calls = self._calls(max(1, round(seconds * self.rate)), only)
        self.sent.update(call.kind for call in calls)
        edge = replace(self.demo, plan=replace(self.demo.plan, nodes=nodes))
        folder = self.demo.folder / "sipp" / f"load-{self._loads}"
        folder.mkdir(parents=True)
        callers = make_callers(edge, folder, calls)
        for _, caller in callers:
            caller.start()
        self._callers += callers

    def offer(self, name: str, seconds: float, rate: float) -> Counter[int]:
        """Calls to a busy target of one node, more than it admits; the final statuses. Who is let in hears busy, and
        who is not 503. Raises DrillFailed where somebody hears anything else."""
        number = self.provisioned.by_kind["busy"][0]
        heard = Offer(self.sip_of(name), number).place(round(seconds * rate), rate)
        self._heard.update({"busy": heard[486], "refused": heard[503]})
        self.sent.update({"busy": heard[486], "refused": heard[503]})
        if other := {status: count for status, count in heard.items() if count and status not in (486, 503)}:
            raise DrillFailed(f"callers heard neither 486 nor 503 but {other}")
        return heard

    def _calls(self, count: int, only: Sequence[str]) -> list[PlannedCall]:
        """The demonstration's mix. A number nobody has is no part of it: what its caller hears without a worker is
        another answer, on purpose."""
        self.seed += 1
        replaced = {"unknown"} | ({"busy", "unanswered", "cancelled"} if only else set())
        number = self.provisioned.by_kind["answered"][0]
        return [
            replace(call, kind="answered", number=number) if call.kind in replaced - set(only) else call
            for call in plan_calls(count, self.seed, self.provisioned)
        ]

    def wait(self, seconds: float) -> None:
        """Time goes by; what died is started again, as `dialtrace up` does it."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self.demo.supervisor.tend()
            time.sleep(min(TEND_EVERY_S, left_s))

    def until(self, true: Callable[[], bool], what: str, timeout_s: float = BACK_TIMEOUT_S) -> None:
        """Raises DrillFailed when it does not become so."""
        until_s = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > until_s:
                raise DrillFailed(f"waited {timeout_s:g} s in vain: {what}")
            self.wait(TEND_EVERY_S)

    def finish_load(self) -> Counter[str]:
        """Wait for the callers, and take how many of each kind heard what they should."""
        until_s = time.monotonic() + self.demo.options.talk_s + CALLERS_GRACE_S
        while any(caller.running for _, caller in self._callers) and time.monotonic() < until_s:
            self.wait(TEND_EVERY_S)
        satisfied, self._heard = self._heard, Counter()
        for kind, caller in self._callers:
            caller.stop()
            satisfied[kind] += caller.counts().successful
        self._callers.clear()
        return satisfied

    def callers_run(self) -> bool:
        """Whether anybody still calls."""
        return any(caller.running for _, caller in self._callers)

    def recordings_waiting(self) -> list[Path]:
        """Calls whose recordings are still on a node."""
        return [path for node in self.demo.plan.nodes for path in (node.spool / "recordings-due").glob("*.json")]

    def records_waiting(self) -> bool:
        """Whether a call is on a node whose record is not kept: as a file, or in the journal alone."""
        files = any(any((node.spool / "cdr").iterdir()) for node in self.demo.plan.nodes)
        return files or any(standing_calls(node.journal_path) for node in self.demo.plan.nodes)

    def stop_callers(self) -> None:
        """Whatever became of the drill."""
        for _, caller in self._callers:
            caller.stop()
        self._callers.clear()

    def clear(self) -> None:
        """Before the next drill."""
        self.notes.clear()
        self.sent.clear()

    # --- processes ---

    def take_away(self, names: Sequence[str]) -> dict[str, Any]:
        """kill -9, and nobody starts them again until :meth:`bring_back`."""
        taken = {name: self.demo.supervisor.children.pop(name) for name in names}
        for child in taken.values():
            if child.pid is not None:
                psutil.Process(child.pid).kill()
        return taken

    def bring_back(self, taken: dict[str, Any]) -> None:
        self.demo.supervisor.children.update(taken)
        for child in taken.values():
            self.until(lambda child=child: child.alive, f"{child.spec.name} runs again")  # type: ignore[misc]
            child.await_ready()

    def await_platform(self) -> None:
        """Until the API answers with its database behind it."""
        self.until(lambda: answers_http(self.demo.plan.api_url + "/readyz"), "the API is ready")

    # --- nodes ---

    def sip_of(self, name: str) -> tuple[str, int]:
        return next(node.sip_address for node in self.demo.plan.nodes if node.name == name)

    def takes_calls(self, name: str) -> bool:
        """What an edge asks: OPTIONS."""
        return options_status(self.sip_of(name)) == 200

    @contextmanager
    def nodes(self) -> Iterator[NodeDirectory]:
        """The rows that `dialtrace node` works with."""
        database = Database(self.demo.plan.database_url, pool_size=1)
        try:
            yield NodeDirectory(database)
        finally:
            database.dispose()

    def node(self, name: str) -> Node:
        with self.nodes() as nodes:
            return nodes.get_node(name)
