"""Proves numbers: a call of our own through the edge, then its record and its recording through the API.

`dialtrace number prove` runs :class:`Prover` for the numbers that are named; `dialtrace work proofs` runs
:class:`ProofSchedule` for ever. One call at a time, never to a node that drains. Must not know SIP: the telephone does.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import gevent
import structlog
from gevent.event import Event

from ..apiclient import ApiAway, ApiClient, ApiRefused
from ..clock import Clock
from ..db.errors import DatabaseError
from ..errors import DialtraceError
from ..metrics import (
    NUMBER_PROOF_OLDEST_SECONDS,
    NUMBER_PROOF_SECONDS,
    NUMBER_PROOFS,
    NUMBERS_NEVER_PROVEN,
)
from ..node.proving import Heard, ProofCall, ProofTelephone
from ..numbers.model import InService, Proof, ProofStep
from ..numbers.schedule import due_numbers, never_proven, oldest_proof_s
from ..numbers.service import NumberService
from .proof_steps import flow_steps, heard_steps, recording_step, spoken_step

log = structlog.get_logger("proofs")

#: How long a record, and then a recording, may take to come home. The agent needs a second or two.
RECORD_LIMIT_S = 30.0
RECORDING_LIMIT_S = 30.0
ASK_EVERY_S = 0.5
#: How often the schedule looks whether something is due, and for how long it goes by what it has found: every number is
#: read for that.
LOOK_EVERY_S = 15.0
LIST_AGE_S = 60.0
_DRAINS = frozenset({"draining", "drained"})


class NoEdge(DialtraceError):
    """There is no node to call through: each one drains, or is down."""


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Where calls may go in: ``fixed`` for everything, or this machine's nodes (name → address) in turn."""

    fixed: tuple[str, int] | None
    nodes: Mapping[str, tuple[str, int]]

    def choose(self, states: Mapping[str, str], turn: int) -> tuple[str, int]:
        """An address that takes calls. Raises NoEdge: behind a fixed edge a node that drains may be the one it picks,
        so everything waits for it."""
        if self.fixed is not None:
            if _DRAINS & set(states.values()):
                raise NoEdge("a node drains")
            return self.fixed
        ready = [address for name, address in self.nodes.items() if states.get(name) not in _DRAINS | {"down"}]
        if not ready:
            raise NoEdge("every node of this machine drains or is down")
        return ready[turn % len(ready)]


class Prover:
    """Proves one number at a time."""

    def __init__(
        self,
        *,
        telephone: ProofTelephone,
        api: ApiClient,
        numbers: NumberService,
        clock: Clock,
        edges: Edges,
        caller: str,
        token: str,
        answers: bool,
    ) -> None:
        self._telephone = telephone
        self._api = api
        self._numbers = numbers
        self._clock = clock
        self._edges = edges
        self._caller = caller
        self._token = token
        self._answers = answers
        self._turn = 0
        for outcome in ("proven", "failed"):
            # Prometheus sees a rise only from what was there before.
            NUMBER_PROOFS.labels(outcome)

    def prove(self, number: InService, states: Mapping[str, str]) -> Proof:
        """One call, its verdict, and the row that keeps it. Raises NoEdge before anything is called."""
        edge = self._edges.choose(states, self._turn)
        self._turn += 1
        tried_at = self._clock.now()
        heard = self._telephone.place(ProofCall(edge=edge, number=number.e164, caller=self._caller, token=self._token))
        steps, call = heard_steps(heard, answers=self._answers), None
        try:
            call = self._record(number, heard, tried_at)
            steps += self._recorded(number, heard, call)
        except (ApiAway, ApiRefused) as error:
            steps.append(ProofStep("cdr", False, heard.now_ms(), str(error)[:300]))
        proof = Proof(
            outcome="proven" if all(step.ok for step in steps) else "failed",
            tried_at=tried_at,
            call_id=UUID(call["id"]) if call else None,
            node=call["node"] if call else None,
            total_ms=heard.now_ms(),
            steps=steps,
        )
        self._numbers.save_proof(number, proof)
        NUMBER_PROOFS.labels(proof.outcome).inc()
        NUMBER_PROOF_SECONDS.observe(proof.total_ms / 1000)
        return proof

    def _record(self, number: InService, heard: Heard, tried_at: datetime) -> dict[str, Any] | None:
        """The call's record, found by the dialog's Call-ID, as soon as it is there; None if it does not come."""
        query = {"number": number.e164, "test": "include", "agency_id": number.agency_id, "limit": 50}
        query["started_from"] = (tried_at - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        until_s = time.monotonic() + RECORD_LIMIT_S
        while True:
            for call in self._api.get("/v1/calls", **query)["data"]:
                if call["sip_call_id"] == heard.sip_call_id:
                    return dict(call)
            if time.monotonic() > until_s:
                return None
            gevent.sleep(ASK_EVERY_S)

    def _recorded(self, number: InService, heard: Heard, call: dict[str, Any] | None) -> list[ProofStep]:
        if call is None:
            return [ProofStep("cdr", False, heard.now_ms(), f"no record within {RECORD_LIMIT_S:.0f} s")]
        steps = [ProofStep("cdr", True, heard.now_ms()), *flow_steps(number, call)]
        path, until_s = f"/v1/calls/{call['id']}", time.monotonic() + RECORDING_LIMIT_S
        detail = self._api.get(path, agency_id=number.agency_id)
        while detail["recording"] == "pending" and time.monotonic() < until_s:
            gevent.sleep(ASK_EVERY_S)
            detail = self._api.get(path, agency_id=number.agency_id)
        steps.append(recording_step(detail, heard.now_ms()))
        if detail["recording"] == "stored" and (
            got := self._api.download(f"{path}/recording?agency_id={number.agency_id}")
        ):
            steps.append(spoken_step(got[0]))
        return steps


class ProofSchedule:
    """Proves every number so often a day, spread by the number."""

    def __init__(
        self,
        prover: Prover,
        numbers: NumberService,
        clock: Clock,
        *,
        per_day: int,
        gap_s: float,
        is_our_turn: Callable[[], bool] = lambda: True,
    ) -> None:
        self._prover = prover
        self._numbers = numbers
        self._clock = clock
        self._per_day = per_day
        self._gap_s = gap_s
        self._is_our_turn = is_our_turn
        self._since = self._looked_at = clock.now()
        self._due: list[InService] = []
        self._stop = Event()

    def run(self) -> None:
        """Until :meth:`stop`. A database or an API that is away only delays."""
        while not self._stop.is_set():
            try:
                pause_s = self._gap_s if self.prove_next() else LOOK_EVERY_S
            except (DatabaseError, NoEdge) as error:
                log.warning("no number is proven at the moment", reason=str(error)[:300])
                pause_s = LOOK_EVERY_S
            self._stop.wait(pause_s)

    def prove_next(self) -> bool:
        """Proves the number that waits longest; whether there was one. Of several such processes one proves; when it
        ends another takes over and looks what it has left."""
        if not self._is_our_turn():
            self._due = []
            return False
        if not self._due or (self._clock.now() - self._looked_at).total_seconds() > LIST_AGE_S:
            self._look()
        if not self._due:
            return False
        number = self._due[0]
        proof = self._prover.prove(number, self._numbers.node_states())
        del self._due[0]
        if not proof.is_proven:
            failed = [step.name for step in proof.steps if not step.ok]
            log.warning("a number is not proven", number_id=str(number.number_id), steps=failed)
        return True

    def _look(self) -> None:
        """Reads what is due now, and tells Prometheus what is known of all."""
        in_service, last = self._numbers.list_in_service(), self._numbers.last_proofs()
        self._looked_at = now = self._clock.now()
        self._due = due_numbers(in_service, last, per_day=self._per_day, now=now, since=self._since)
        NUMBER_PROOF_OLDEST_SECONDS.set(oldest_proof_s(in_service, last, now))
        NUMBERS_NEVER_PROVEN.set(never_proven(in_service, last))

    def stop(self) -> None:
        """After the call that stands, if one does."""
        self._stop.set()


def own_address(towards: tuple[str, int]) -> tuple[str, int]:
    """The address of this machine by which that one is reached, with a UDP port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(towards)
        host: str = probe.getsockname()[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return host, probe.getsockname()[1]


def run_schedule(schedule: ProofSchedule) -> None:
    """The process: until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, schedule.stop)
    schedule.run()
