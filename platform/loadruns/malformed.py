"""Sends datagrams that are no proper SIP, at a rate, and counts what comes back.

A program of its own that imports nothing but the standard library, as media.py. What it sends is harmless by itself: a
switch must refuse it or pass it over, and go on with its calls.

    python3 malformed.py CONFIG.json
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections import Counter

GOOD = (
    "{method} sip:+441632960999@{host} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {own};branch=z9hG4bK{tag}\r\n"
    "From: <sip:load@{own}>;tag={tag}\r\n"
    "To: <sip:+441632960999@{host}>\r\n"
    "Call-ID: malformed-{tag}@{own}\r\n"
    "CSeq: 1 {method}\r\n"
    "Contact: <sip:load@{own}>\r\n"
    "Max-Forwards: 70\r\n"
    "Content-Length: 0\r\n\r\n"
)


def variants(text: str, chance: random.Random) -> list[tuple[str, bytes]]:
    """(name, datagram): one proper request, broken in as many ways as there are names."""
    lines = text.split("\r\n")

    def without(name: str) -> str:
        return "\r\n".join(line for line in lines if not line.startswith(name))

    cut = chance.randrange(20, len(text) - 20)
    return [
        ("empty", b""),
        ("line breaks only", b"\r\n\r\n"),
        ("no SIP at all", chance.randbytes(400)),
        ("cut off", text[:cut].encode()),
        ("no Via", without("Via").encode()),
        ("no From", without("From").encode()),
        ("no To", without("To").encode()),
        ("no Call-ID", without("Call-ID").encode()),
        ("no CSeq", without("CSeq").encode()),
        ("CSeq of another method", text.replace("CSeq: 1 INVITE", "CSeq: 1 BYE").encode()),
        ("CSeq too large", text.replace("CSeq: 1", "CSeq: 99999999999999999999").encode()),
        ("Content-Length below zero", text.replace("Content-Length: 0", "Content-Length: -1").encode()),
        ("Content-Length too large", text.replace("Content-Length: 0", "Content-Length: 999999").encode()),
        ("unknown version", text.replace("SIP/2.0\r\n", "SIP/9.0\r\n", 1).encode()),
        ("unknown method", text.replace("INVITE", "JUMP").encode()),
        ("no address", text.replace("sip:+441632960999@", "sip:@", 1).encode()),
        ("NUL bytes", text.replace("Max-Forwards", "Max\x00Forwards").encode()),
        ("no UTF-8", text.encode().replace(b"sip:load", b"sip:\xff\xfe\xfd")),
        ("huge header", text.replace("Max-Forwards: 70", "Max-Forwards: 70\r\nX-Load: " + "x" * 8000).encode()),
        ("many headers", text.replace("Max-Forwards: 70", "\r\n".join(["X: 1"] * 900)).encode()),
        ("brackets open", text.replace("<sip:", "<<<sip:").encode()),
        ("broken body", text.replace("Content-Length: 0\r\n\r\n", _SDP).encode()),
    ]


_SDP = "Content-Type: application/sdp\r\nContent-Length: 24\r\n\r\nv=0\r\nm=audio x RTP/AVP y"


def main() -> None:
    """From the command line."""
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    ended: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    chance = random.Random(config["seed"])  # noqa: S311 (no secret)
    answers: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((config["address"], 0))
        line.setblocking(False)
        own = "{}:{}".format(*line.getsockname())
        time.sleep(max(0.0, config["begin_s"] - time.time()))
        began_s = time.monotonic()
        for place in range(max(1, round(config["cps"] * config["for_s"]))):
            if ended:
                break
            time.sleep(max(0.0, began_s + place / config["cps"] - time.monotonic()))
            values = {"host": config["host"], "own": own, "tag": f"{os.getpid()}x{place}", "method": "INVITE"}
            kinds = variants(GOOD.format(**values), chance)
            name, datagram = kinds[place % len(kinds)]
            try:
                line.sendto(datagram, (config["host"], config["port"]))
            except OSError:
                answers["not sent"] += 1
            sent[name] += 1
            _hear(line, answers)
        time.sleep(0.5)
        _hear(line, answers)
    with open(config["output"], "w", encoding="ascii") as output:
        json.dump({"sent": sent, "answers": answers}, output)


def _hear(line: socket.socket, answers: Counter[str]) -> None:
    while True:
        try:
            said = line.recv(65_536)
        except (BlockingIOError, ConnectionRefusedError):
            return
        answers[said[8:11].decode("ascii", "replace") if said.startswith(b"SIP/2.0 ") else "request"] += 1


if __name__ == "__main__":
    main()
