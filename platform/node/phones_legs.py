"""What the telephones add to the node's SIP legs: ports, an ear, and a caller who hears the answer to its BYE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gevent
from gevent import monkey
from gevent.event import AsyncResult, Event
from sippy.CCEvents import CCEventDisconnect

from .audio import PCMU
from .errors import NoPortLeft
from .rtp import PortPool
from .sipleg import CalleeLeg, Ending, Services

_PORT_TRIES = 32
_socket = monkey.get_original("socket", "socket")
_AF_INET, _SOCK_DGRAM = 2, 2


class KernelPorts(PortPool):
    """Even ports that the kernel chooses: several demonstrations on one machine never meet. Odd ones are left, because
    a switch sends RTCP there."""

    def __init__(self, host: str) -> None:
        super().__init__(host, 0, -1)

    def take(self) -> tuple[Any, int]:
        for _ in range(_PORT_TRIES):
            sock = _socket(_AF_INET, _SOCK_DGRAM)
            try:
                sock.bind((self.host, 0))
            except OSError as fault:
                sock.close()
                raise NoPortLeft from fault
            port: int = sock.getsockname()[1]
            if port % 2 == 0:
                sock.setblocking(False)
                return sock, port
            sock.close()
        raise NoPortLeft

    def give_back(self, port: int) -> None:
        """The kernel has it back already."""


class Ear:
    """What one call has come to so far, for a greenlet to wait on."""

    def __init__(self) -> None:
        self.rang = Event()
        self.picked_up = Event()
        self.outcome: AsyncResult[str] = AsyncResult()

    def conclude(self, outcome: str) -> None:
        """Only the first end counts."""
        if not self.outcome.ready():
            self.outcome.set(outcome)

    def leg_ringing(self, status: int, *, media: bool) -> None:
        self.rang.set()

    def leg_response(self, response: Any) -> None:
        """Ringing and answers come as calls of their own."""

    def leg_answered(self) -> None:
        self.picked_up.set()

    def leg_digit(self, digit: str, samples: int) -> None:
        """Nobody here asks for digits."""

    def leg_held(self, *, held: bool) -> None:
        """Held or not, it stays."""

    def leg_ended(self, ending: Ending) -> None:
        words = {"recv_bye": "BYE received", "recv_cancel": "CANCEL received", "send_bye": "answer without audio"}
        self.conclude(words.get(ending.disposition) or str(ending.status))


class PlacedLeg(CalleeLeg):
    """A call that we place. Unlike a switch, a caller also hears what came of its own CANCEL or BYE."""

    def __init__(self, services: Services, ear: Ear) -> None:
        super().__init__(services, PCMU)
        self.listener = self.ear = ear

    def _new_ua(self, **options: Any) -> Any:
        agent = super()._new_ua(**options)
        send = agent.newTransaction
        heard = self._services.faults.guarded("answer to BYE", self._bye_answered)

        def new_transaction(request: Any, **more: Any) -> Any:
            """Sippy asks for no answer to its BYE; with a callback the answer, or its absence, is told."""
            return send(request, **(more | {"resp_cb": heard} if request.getMethod() == "BYE" else more))

        agent.newTransaction = new_transaction
        return agent

    def end(self) -> None:
        """BYE, or CANCEL before the answer, without a Reason, as telephones do it; nothing once the call has ended."""
        if not self.ended and self.ua is not None:
            self.ended = True
            self.ua.recvEvent(CCEventDisconnect())

    def _response(self, response: Any) -> None:
        super()._response(response)
        status = response.getSCode()[0]
        if self.ended and not self.answered and status >= 200:
            self.ear.conclude(f"{status} after CANCEL")

    def _bye_answered(self, response: Any) -> None:
        status = response.getSCode()[0]
        if status >= 200:
            self.ear.conclude(f"{status} to BYE")


def first_of(waited: Iterable[Any], timeout_s: float) -> bool:
    """Wait for any of these; whether one came in time."""
    return bool(gevent.wait(list(waited), timeout=timeout_s, count=1))
