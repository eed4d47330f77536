"""Sound that is measured, against a packet capture of the same packets. Real programs, real sockets; a relay between
them loses and delays what we want lost and late.
"""

import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from importlib.resources import files
from pathlib import Path

import pytest

from dialtrace.demo.sound import ulaw_tone

MEDIA = Path(str(files("dialtrace.loadruns").joinpath("media.py")))
NEEDED = 250


class Relay:
    """Two ports: what comes at one goes out at the other. Every seventh packet towards the target is lost, every fifth
    is kept for 5 ms."""

    def __init__(self):
        self.sides = []
        for _ in range(2):
            side = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            side.bind(("127.0.0.1", 0))
            self.sides.append(side)
        self.ports = [side.getsockname()[1] for side in self.sides]
        self.ends = [None, None]
        self.taken = [0, 0]
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self, caller, target):
        self.ends = [caller, target]
        self._thread.start()

    def _run(self):
        while not self.over.is_set():
            for side in select.select(self.sides, [], [], 0.1)[0]:
                place = self.sides.index(side)
                packet = side.recv(2048)
                self.taken[place] += 1
                if place == 0 and self.taken[0] % 7 == 0:
                    continue
                if place == 0 and self.taken[0] % 5 == 0:
                    time.sleep(0.005)
                self.sides[1 - place].sendto(packet, self.ends[1 - place])

    def stop(self):
        self.over.set()
        self._thread.join()
        for side in self.sides:
            side.close()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Telephone:
    """One media.py, with a log as SIPp writes it."""

    def __init__(self, folder, name, **more):
        self.log, self.output, self.port = folder / f"{name}.logs", folder / f"{name}.jsonl", free_port()
        audio = folder / "tone.ulaw"
        audio.write_bytes(ulaw_tone(700, 1.0))
        config = {
            "address": "127.0.0.1", "port": self.port, "logs": [str(self.log)], "audio": str(audio),
            "allowed": ["127.0.0.0/8"], "output": str(self.output), "drop": 0.0, "seed": 1, "limit_s": 100,
        }  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(config | more))
        self.process = subprocess.Popen([sys.executable, str(MEDIA), str(folder / f"{name}.json")])
        wait_for(self.output.exists)

    def say(self, line):
        with self.log.open("a") as log:
            log.write(line + "\n")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        rows = [json.loads(line) for line in self.output.read_text().splitlines()]
        return [row for row in rows if "call" in row], rows[-1]["end"]


def wait_for(look, within_s=60):
    until_s = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < until_s, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def relay():
    one = Relay()
    yield one
    if not one.over.is_set() and one.ends[0]:
        one.stop()


def captured(path, port):
    """(sequence, RTP time stamp, moment) of each packet to that port in a capture of Linux' loopback."""
    data, found = path.read_bytes(), []
    (magic,) = struct.unpack_from("<I", data)
    unit = {0xA1B2C3D4: 1e6, 0xA1B23C4D: 1e9}[magic]
    at = 24
    while at + 16 <= len(data):
        seconds, part, kept, _ = struct.unpack_from("<IIII", data, at)
        packet = data[at + 16 : at + 16 + kept]
        if len(packet) < kept:
            break
        at += 16 + kept
        udp = 14 + (packet[14] & 0x0F) * 4
        if struct.unpack_from("!H", packet, udp + 2)[0] == port:
            sequence, stamp = struct.unpack_from("!HI", packet, udp + 8 + 2)
            found.append((sequence, stamp, seconds + part / unit))
    return found


def jitter_of(packets):
    """RFC 3550 A.8, in ms."""
    jitter, before = 0.0, None
    for _, stamp, at_s in packets:
        transit = at_s * 8000 - stamp
        if before is not None:
            jitter += (abs(transit - before) - jitter) / 16
        before = transit
    return jitter / 8


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("tcpdump") is None, reason="a capture needs root and tcpdump")
def test_given_a_lossy_line_then_loss_and_jitter_are_those_of_a_packet_capture(tmp_path, relay):
    caller, target = Telephone(tmp_path, "caller"), Telephone(tmp_path, "target")
    pcap = tmp_path / "all.pcap"
    capture = subprocess.Popen(
        ["tcpdump", "-i", "lo", "-U", "-B", "8192", "-s", "128", "-w", str(pcap), "udp", "port", str(target.port)],
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: pcap.exists() and pcap.stat().st_size >= 24)
    relay.start(("127.0.0.1", caller.port), ("127.0.0.1", target.port))
    target.say(f"start t-1 127.0.0.1 {relay.ports[1]} 1")
    caller.say(f"start c-1 127.0.0.1 {relay.ports[0]} 1")
    wait_for(lambda: min(relay.taken) >= NEEDED)
    caller.say("stop c-1")
    (spoken,), _ = caller.end()
    wait_for(lambda: relay.taken[0] >= spoken["sent"])
    relay.stop()
    (heard,), own = target.end()
    # The kernel hands a capture its packets block by block.
    wait_for(lambda: len(captured(pcap, target.port)) >= heard["received"])
    capture.send_signal(signal.SIGINT)
    capture.wait(20)
    packets = captured(pcap, target.port)
    sequences = {sequence for sequence, _, _ in packets}
    assert own["overflow"] == 0
    assert heard["received"] == len(packets)
    assert heard["lost"] == max(sequences) - min(sequences) + 1 - len(sequences)
    assert heard["lost"] >= NEEDED // 7 - 1
    assert heard["jitter_ms"] == pytest.approx(jitter_of(packets), abs=0.5)
    assert spoken["lost"] == 0


def test_given_an_address_that_is_not_allowed_then_nothing_is_sent_there_whatever_the_other_side_says(tmp_path):
    one = Telephone(tmp_path, "caller", allowed=["127.0.0.1/32"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        one.say(f"start c-1 127.0.0.2 {other.getsockname()[1]} 1")
        one.say("start c-2 not-an-address 1 1")
        one.say("start c-3 127.0.0.1 9 0")
        one.say("stop c-3")
        wait_for(lambda: one.output.read_text().count("\n") >= 2)  # that it is ready, and the call
        streams, own = one.end()
        assert [stream["call"] for stream in streams] == ["c-3"]
        assert own["refused"] == 2
        assert select.select([other], [], [], 0)[0] == []


def test_given_a_key_then_its_event_is_sent_with_one_time_stamp_and_a_threefold_end(tmp_path):
    one = Telephone(tmp_path, "caller")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(20)
        one.say(f"start c-1 127.0.0.1 {other.getsockname()[1]} 1 5")
        events = []
        while sum(event[3][1] >> 7 for event in events) < 3:
            packet = other.recv(2048)
            if packet[1] & 0x7F == 101:
                events.append((*struct.unpack_from("!HI", packet, 2), packet[1] >> 7, packet[12:]))
    one.end()
    assert {payload[0] for *_, payload in events} == {5}
    assert len({stamp for _, stamp, _, _ in events}) == 1
    assert [marked for _, _, marked, _ in events] == [1] + [0] * 7
    assert [struct.unpack_from("!H", payload, 2)[0] for *_, payload in events] == [
        160,
        320,
        480,
        640,
        800,
        800,
        800,
        800,
    ]
