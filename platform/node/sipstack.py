"""Sippy inside the node's gevent hub: one UDP socket, its timers, and the few repairs it needs. No call logic.

These lean on internals of sippy 2.5.0 (pinned); each cites the pitfall of the reference ``node.md`` section 5.
Nothing here starts a thread, and no exception that sippy swallows stays unseen: each is counted and logged.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from heapq import heapify
from importlib.metadata import version
from typing import Any, SupportsIndex

import gevent
import gevent.socket
from sippy import Network_server as network_module
from sippy import SipConf as conf_module
from sippy import SipTransactionManager as transactions_module
from sippy import SipURL as url_module
from sippy import SipVia as via_module
from sippy.Core import EventDispatcher as dispatcher_module
from sippy.Core.EventDispatcher import ED2
from sippy.Network_server import Network_server, Network_server_opts, Remote_address
from sippy.SipConf import SipConf
from sippy.SipTransactionManager import SipTransactionManager
from sippy.Time.MonoTime import MonoTime

from .errors import AddressTaken, UnknownSippy
from .faults import Faults

log = logging.getLogger(__name__)

SIPPY_VERSION = "2.5.0"
TICK_S = 0.01
_SOCKET_BUFFER = 4 * 1024 * 1024
_IP_RECVERR = 11
_MSG_ERRQUEUE = 0x2000


class _SilentLog:
    """Sippy's own message log, off: it would lock a file for every message."""

    def write(self, *parts: object, **options: object) -> None:
        return None


class HubUdp(Network_server):
    """A UDP server that reads in one greenlet and writes at once; several threads would reorder 180 and 200 (5.3)."""

    transport = "udp"

    def __init__(self, global_config: dict[str, Any], options: Network_server_opts) -> None:
        super().__init__(options)
        self._sock = gevent.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
        self._sock.bind(self.uopts.laddress)
        self._on_junk: Callable[[], None] = global_config["_on_junk"]
        self._on_unreachable: Callable[[tuple[str, int]], None] | None = global_config.get("_on_unreachable")
        if self._on_unreachable is not None:
            self._sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        self._reader = gevent.spawn(self._read)

    def send_to(self, data: bytes | str, address: tuple[str, int], delayed: bool = False) -> None:
        payload = data if isinstance(data, bytes) else data.encode("utf-8")
        for _ in range(2):  # A pending ICMP error is handed out by the first call, which then sends nothing.
            try:
                self._sock.sendto(payload, address)
                return
            except OSError:
                self._drain_errors()

    def _read(self) -> None:
        while True:
            try:
                data, address = self._sock.recvfrom(65535)
            except ConnectionError:
                self._drain_errors()
                continue
            except OSError:
                return
            text = _text(data)
            if text is not None:
                self.handle_read(text, Remote_address(address, self.transport), MonoTime())
            else:
                self._on_junk()

    def _drain_errors(self) -> None:
        """Take the ICMP errors off the socket: a closed port is known at once, as sofia-sip knows it."""
        native: Any = getattr(self._sock, "_sock")  # noqa: B009 - gevent's own would wait for a packet
        for _ in range(64):
            try:
                _, _, _, address = native.recvmsg(512, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            if self._on_unreachable is not None and address:
                gevent.spawn(self._on_unreachable, address[:2])

    def join(self) -> None:
        self._reader.kill(block=False)
        self._sock.close()


class SipText(str):
    """A SIP message. Its lines end with CR and LF only; sippy asks ``splitlines``, which for a plain text also breaks
    at U+2028, U+0085 and their like, and those a caller's name may hold."""

    __slots__ = ()

    def splitlines(self, keepends: bool = False) -> list[str]:
        assert not keepends
        lines = str(self).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return lines if lines[-1] else lines[:-1]

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        """The head that sippy cuts off is one too; the body is a plain text, whose exact type sippy looks at."""
        found = super().__getitem__(key)
        return SipText(found) if isinstance(key, slice) and key.start is None else found


def _text(data: bytes) -> SipText | None:
    """SIP is UTF-8 (RFC 3261 7); sippy would raise on anything else."""
    try:
        return SipText(data.decode())
    except UnicodeDecodeError:
        return None


class _UdpOptions(Network_server_opts):
    flags = 0


class Transactions(SipTransactionManager):
    """Sippy's transaction layer over :class:`HubUdp`."""

    model_udp_server = (HubUdp, _UdpOptions)

    def newTransaction(self, msg: Any, *arguments: Any, **options: Any) -> Any:
        """A contact's ``transport=UDP`` in capitals, or TCP, would lose the BYE (5.2): this node speaks UDP only."""
        address, _ = msg.getTarget()
        msg.setTarget((address, "udp"))
        return super().newTransaction(msg, *arguments, **options)

    def unreachable(self, address: tuple[str, int]) -> None:
        """A destination's port is closed: its unanswered requests end with 503 now, not with 408 after 32 s."""
        for transaction in list(self.tclient.values()):
            if transaction.state is not transactions_module.TRYING or transaction.address != address:
                continue
            if transaction.resp_cb is None:
                continue
            transaction.r408.setSCode(503, "Service Unavailable")
            if transaction.teA is not None:
                transaction.teA.cancel()
                transaction.teA = None
            if transaction.teB is not None:
                transaction.teB.cancel()
            self.timerB(transaction)


class SipStack:
    """The SIP side of one process. Sippy's dispatcher is a singleton, so there can be one only.

    Raises :class:`UnknownSippy` or :class:`AddressTaken`.
    """

    def __init__(self, host: str, port: int, on_request: Callable[[Any, Any], Any], faults: Faults) -> None:
        if version("sippy") != SIPPY_VERSION:
            raise UnknownSippy(f"sippy {version('sippy')} is installed; install sippy=={SIPPY_VERSION}")
        self._faults = faults
        _install(faults)
        SipConf.my_uaname = "Dialtrace node"
        self.config: dict[str, Any] = {"_sip_address": host, "_sip_port": port, "_sip_logger": _SilentLog()}
        self.config |= {"_on_unreachable": self._unreachable, "_on_junk": self._junk}
        try:
            self.transactions = Transactions(self.config, faults.guarded("SIP request", on_request))
        except OSError as fault:
            raise AddressTaken(f"SIP cannot listen on udp {host}:{port}: {fault}; give another sip_port") from fault
        self.config["_sip_tm"] = self.transactions

    def _unreachable(self, address: tuple[str, int]) -> None:
        self.transactions.unreachable(address)

    def _junk(self) -> None:
        self._faults.bad_packets += 1

    def run_timers(self) -> None:
        """Sippy's timers, for a greenlet of its own; ``ED2.loop`` would block the hub in C. A timer fires once it was
        due before the reader's last turn: where this process got no processor for a while, an INVITE would otherwise
        be sent again although its 200 lies there unread, and that confuses a simple peer."""
        ED2.last_ts = seen = MonoTime()
        while True:
            gevent.sleep(TICK_S)
            ED2.last_ts = seen
            ED2.dispatchTimers()
            if ED2.twasted * 2 > len(ED2.tlisteners):
                ED2.tlisteners = [timer for timer in ED2.tlisteners if timer.cb_func is not None]
                heapify(ED2.tlisteners)
                ED2.twasted = 0
            ED2.last_ts = seen = MonoTime()

    def close(self) -> None:
        self.transactions.l4r.shutdown()


def _install(faults: Faults) -> None:
    """Point sippy's process-wide hooks at this hub and at our count of faults."""

    def report(message: str, *arguments: Any, extra: object = None, **options: Any) -> None:
        if message.startswith("can't parse"):
            faults.bad_packets += 1
            log.warning("%s", message)
        else:
            faults.record(message)

    # Patched greenlets have idents of their own, and the dispatcher compares threads.
    dispatcher_module.get_ident = lambda: ED2.my_ident
    ED2.callFromThread = gevent.spawn
    for module in (transactions_module, dispatcher_module, network_module):
        module.dump_exception = report
    # `'my' in dir(host)` is asked of every address in every message, and listing a string's names takes longer than
    # all else about it: a third of a call's signalling.
    for module in (url_module, via_module, conf_module, transactions_module):
        module.dir = _own_address_mark


def _own_address_mark(value: object) -> tuple[str, ...]:
    """Stands in for ``dir`` where sippy only asks whether an address is its placeholder for our own."""
    return ("my",) if hasattr(value, "my") else ()
