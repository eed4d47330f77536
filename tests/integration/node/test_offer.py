"""The caller of the overload drill against a switch that is scripted: what it counts is what it was told."""

import re
import socket
import threading
import time
from collections import Counter

from dialtrace.loadtest.chaos_offer import Offer


class Node:
    """Answers the n-th call with the n-th of ``finals``; forgets the first INVITE of a call if told to."""

    def __init__(self, finals: list[int], *, deaf_once: bool = False) -> None:
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind(("127.0.0.1", 0))
        self.finals, self.deaf_once = finals, deaf_once
        self.calls: dict[str, int] = {}
        self.acks: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                data, peer = self.line.recvfrom(65_535)
            except OSError:
                return
            text = data.decode()
            call = re.search(r"Call-ID: (\S+)", text)
            assert call is not None
            if text.startswith("ACK"):
                self.acks[call[1]] += 1
                continue
            self.seen[call[1]] += 1
            if self.deaf_once and self.seen[call[1]] == 1:
                continue
            status = self.finals[self.calls.setdefault(call[1], len(self.calls))]
            kept = [line for line in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
            for code in (100, status):
                self.line.sendto("\r\n".join([f"SIP/2.0 {code} x", *kept, "Content-Length: 0", "", ""]).encode(), peer)


def test_given_a_switch_that_lets_some_in_then_every_final_status_is_counted_and_acknowledged_once() -> None:
    node = Node([486, 503, 503, 486, 503])
    heard = Offer(node.line.getsockname(), "+441632960000").place(5, 200.0)
    assert heard == Counter({503: 3, 486: 2, 0: 0})
    with node.line:
        until_s = time.monotonic() + 10
        while set(node.acks) != set(node.calls) and time.monotonic() < until_s:
            time.sleep(0.01)
        assert set(node.acks) == set(node.calls)


def test_given_an_invite_that_is_lost_then_it_is_sent_again() -> None:
    node = Node([486], deaf_once=True)
    with node.line:
        assert Offer(node.line.getsockname(), "+441632960000").place(1, 10.0)[486] == 1
        assert set(node.seen.values()) == {2}
