"""What the node's test modules share: fresh numbers, and finding a call among the events."""

from __future__ import annotations

import itertools
import os
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np

from .switch import Events, Worker

_numbers = itertools.count(74955000000 + os.getpid() % 1000 * 1000)

GO_ON = "multiset:^^;continue_on_fail=true;hangup_after_bridge=true;ignore_early_media=true~"
FINISH = "~transfer:finish\\sXML\\sflow"


def fresh_number() -> str:
    return str(next(_numbers))


def plan(worker: Worker, *texts: str) -> str:
    """Give a fresh number this plan, or one after the other."""
    number = fresh_number()
    worker.plans[number] = [f"m:~:{text}" for text in texts]
    return number


def call_id(events: Events, number: str, timeout_s: float = 5.0) -> str:
    """The A leg's UUID of the newest call to this number."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for event in reversed(list(events.seen)):
            if event["Event-Name"] == "CHANNEL_CREATE" and event.get("Caller-Destination-Number") == number:
                return str(event["Unique-ID"])
        time.sleep(0.01)
    raise AssertionError(f"no call to {number}")


def samples_of(path: Path, channels: int) -> Any:
    """A recording's samples, one column per channel."""
    with wave.open(str(path)) as reader:
        assert (reader.getframerate(), reader.getsampwidth(), reader.getnchannels()) == (8000, 2, channels)
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16).reshape(-1, channels)
