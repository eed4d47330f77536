"""Do call records say what SIPp saw? A platform, mixed calls, and each record against SIPp's own log of that call.

    python loadtest/agree.py [--freeswitch PATH | --freeswitch embedded] [--calls 1000] [--rate 10]

SIPp calls and is called; each of its processes logs every message with its moment. Afterwards each call's record, read
through the API, is joined with the caller's and the targets' dialogs by SIP Call-ID: statuses, who hung up and which
legs there were must be the same; start, ringing, answer, end, set-up and billed time may differ by the tolerance in
--within of all cases (of each kind), for both sides stamp their own moment of one message. How to read it:
loadtest/README.md.

Prints a table and one line of JSON. Exit status: 0; 1 where records and SIPp disagree; 2 if it could not be played.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialtrace.apiclient import ApiClient
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.demo.sipp import Sipp, free_media_port
from dialtrace.demo.stage import DemoOptions, await_calm, check_begun, running_platform
from dialtrace.errors import DialtraceError
from dialtrace.launch import free_port
from dialtrace.loadruns.standstill import watching
from dialtrace.loadtest.agree_log import Agreement, Dialog, compare, read_dialogs, spread_of
from dialtrace.logs import configure_logs
from dialtrace.nodesfile import NodeSettings

TOLERANCE_MS = 20.0
#: The record has the moment of the target's 180; the caller's 183 goes out once there is ringback for it.
#: A caller's BYE or CANCEL is stamped when the call's thread looks for it, between two packets of sound (20 ms): on
#: FreeSWITCH 1.10.12 12 to 44 ms after SIPp had sent it, the median 26.
MORE_MS = {"ringing": 40.0, "caller's end": 25.0, "billed, caller's end": 25.0}
#: Of each kind of moment so many must be inside: processes of one machine wait for one another now and then.
WITHIN = 0.95
#: Beyond this no waiting explains it.
NEVER_MS = 1000.0
RING_MS = 150
TALK_MS = 1500
RECORDS_WITHIN_S = 60.0

#: Kinds of telephone that are called: (scenario, status of a refusal).
TARGETS = {
    "waits": ("agree_target_waits", ""),
    "hangs-up": ("agree_target_hangs_up", ""),
    "busy": ("agree_target_refuses", "486"),
    "declines": ("agree_target_refuses", "603"),
    "not-found": ("agree_target_refuses", "404"),
    "unavailable": ("agree_target_refuses", "503"),
    "rings": ("agree_target_rings", ""),
}


@dataclass(frozen=True)
class Kind:
    """One kind of call: what share of all, who calls how, and what the flow rings."""

    share: int
    caller: str
    rings: tuple[str, ...] = ()
    status: str = ""
    #: What comes before the ringing, or after it in vain.
    piece: str = ""


KINDS = {
    "answered, caller hangs up": Kind(26, "agree_caller_hangs_up", ("waits",)),
    "answered, target hangs up": Kind(20, "agree_caller_waits", ("hangs-up",)),
    "busy": Kind(10, "agree_caller_refused", ("busy",), "486"),
    "declined": Kind(6, "agree_caller_refused", ("declines",), "603"),
    "target's 404": Kind(4, "agree_caller_refused", ("not-found",), "480"),
    "target's 503": Kind(4, "agree_caller_refused", ("unavailable",), "480"),
    "no answer": Kind(5, "agree_caller_refused", ("rings",), "480"),
    "given up while it rings": Kind(8, "agree_caller_cancels", ("rings",)),
    "unknown number": Kind(4, "agree_caller_refused", (), "404"),
    "busy, then answered": Kind(5, "agree_caller_hangs_up", ("busy", "waits")),
    "busy, then voicemail": Kind(3, "agree_caller_hangs_up", ("busy",), piece="voicemail"),
    "menu, no key, then answered": Kind(3, "agree_caller_waits", ("hangs-up",), piece="menu"),
    "announcement, then busy": Kind(2, "agree_caller_waits", ("busy",), piece="announcement"),
}  # fmt: skip


class CannotPlay(DialtraceError):
    """The calls could not be placed."""


def counts_of(calls: int) -> dict[str, int]:
    """How many of each kind, one at least."""
    return {name: max(1, round(calls * kind.share / 100)) for name, kind in KINDS.items()}


def number_of(name: str) -> str:
    return f"+4416329602{list(KINDS).index(name):02d}"


def document_of(kind: Kind, targets: Mapping[str, str]) -> dict[str, Any]:
    """The flow of a kind."""
    ring: dict[str, Any] = {"type": "ring", "targets": [targets[name] for name in kind.rings]}
    tone = {"kind": "tone", "frequency_hz": 440, "duration_ms": 300}
    if kind.piece == "voicemail":
        box = {"name": "box", "type": "voicemail", "prompt": tone, "max_s": 30}
        return {"version": 2, "record": False, "steps": [ring | {"otherwise": "box"}, box]}
    if kind.piece == "menu":
        menu = {"type": "menu", "prompt": tone, "choices": {"9": "desk"}, "timeout_s": 1, "otherwise": "desk"}
        return {"version": 2, "record": True, "steps": [menu, ring | {"name": "desk"}]}
    first = [{"type": "announce", "prompt": tone}] if kind.piece == "announcement" else []
    return {"version": 1, "record": True, "steps": [*first, ring]}


def provision(operator: ApiClient, url: str, uris: Mapping[str, str]) -> ApiClient:
    """An agency with one client whose numbers lead to each kind of flow; answers with the agency's own key."""
    agency = operator.post("/v1/agencies", {"name": "Agreement"})
    key = operator.post("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "agree"})
    own = ApiClient(url, key["token"])
    client = own.post("/v1/clients", {"name": "Agreement", "time_zone": "Europe/London"})["id"]
    targets = {
        name: own.post(
            "/v1/targets",
            {"client_id": client, "name": name, "address": uri, "ring_timeout_s": 3 if name == "rings" else 20},
        )["id"]
        for name, uri in uris.items()
    }
    for name, kind in KINDS.items():
        if kind.rings:
            document = document_of(kind, targets)
            flow = own.post("/v1/flows", {"client_id": client, "name": name, "document": document})["id"]
            number = {"client_id": client, "number": number_of(name), "flow_id": flow, "label": name}
            own.post("/v1/numbers", number)
    return own


@dataclass
class Played:
    """Which calls were placed, and the telephones' logs."""

    asked: int
    callers: dict[str, Dialog]
    targets: dict[str, Dialog]
    unlucky: list[str]


class Telephones:
    """All processes of SIPp, each with its log of messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._media: list[int] = []
        self._ports: list[int] = []
        self._called: dict[str, Sipp] = {}

    def _make(self, name: str, scenario: str, status: str, arguments: Sequence[str]) -> Sipp:
        self._media.append(free_media_port(self._media))
        self._ports.append(free_port(socket.SOCK_DGRAM, avoid=self._ports))
        plain = "".join(letter if letter.isalnum() else "-" for letter in name)
        log = self._folder / f"{plain}.trace"
        told = ["-trace_shortmsg", "-shortmessage_file", str(log), "-shortmessage_overwrite", "false"]
        return Sipp(
            plain, self._folder, f"{scenario}.xml", self._folder, self._ports[-1], self._media[-1], [*arguments, *told],
            words={"STATUS": status},
        )  # fmt: skip

    @contextmanager
    def called(self) -> Iterator[dict[str, str]]:
        """The targets; their addresses by kind."""
        for name, (scenario, status) in TARGETS.items():
            self._called[name] = self._make(f"target-{name}", scenario, status, ["-d", str(RING_MS)])
        try:
            for one in self._called.values():
                one.start()
            check_begun(list(self._called.values()))
            yield {name: f"sip:target@127.0.0.1:{one.sip_port}" for name, one in self._called.items()}
        finally:
            for one in self._called.values():
                one.stop()

    def place(self, node: NodeSettings, calls: int, rate: float) -> Played:
        """All kinds side by side, each spread over the same time."""
        counts = counts_of(calls)
        span_ms = round(1000 * sum(counts.values()) / rate)
        host, port = node.sip_address
        callers = [
            self._make(
                f"caller-{name}", KINDS[name].caller, KINDS[name].status,
                [
                    f"{host}:{port}", "-s", number_of(name), "-m", str(count), "-r", str(count), "-rp", str(span_ms),
                    "-l", str(count + 1), "-d", str(TALK_MS), "-timeout", f"{span_ms // 1000 + 60}s",
                ],
            )
            for name, count in counts.items()
        ]  # fmt: skip
        deadline_s = time.monotonic() + span_ms / 1000 + 70
        try:
            for one in callers:
                one.start()
            check_begun(callers)
            while any(one.running for one in callers) and time.monotonic() < deadline_s:
                time.sleep(0.2)
            time.sleep(1.5)  # what the targets still have to say
        finally:
            for one in callers:
                one.stop()
        return Played(
            sum(counts.values()),
            self._dialogs(callers, calls=True),
            self._dialogs(list(self._called.values()), calls=False),
            [f"{one.name}: {one.counts().failed} failed" for one in callers if one.counts().failed],
        )

    def _dialogs(self, telephones: Sequence[Sipp], *, calls: bool) -> dict[str, Dialog]:
        found: dict[str, Dialog] = {}
        for one in telephones:
            log = self._folder / f"{one.name}.trace"
            if log.exists():
                with log.open(encoding="utf-8", errors="replace") as lines:
                    found |= read_dialogs(lines, calls=calls)
        return found


def read_records(operator: ApiClient, own: ApiClient, played: Played) -> list[dict[str, Any]]:
    """Every call with its legs, once all are there; the operator has those to numbers that nobody has."""
    deadline_s = time.monotonic() + RECORDS_WITHIN_S
    sources: list[tuple[ApiClient, dict[str, str]]] = [(own, {}), (operator, {"agency_id": OPERATOR_AGENCY})]
    details: dict[str, dict[str, Any]] = {}
    while True:
        for key, whose in sources:
            for call in key.read_all("/v1/calls", limit=200, **whose):
                # A late leg is a revision: what was read before is read again.
                if details.get(call["id"], {}).get("revision") != call["revision"]:
                    details[call["id"]] = key.get(f"/v1/calls/{call['id']}", **whose)
        ours = [one for one in details.values() if one["sip_call_id"] in played.callers]
        legs = sum(len(one["legs"]) for one in ours)
        if (len(ours) >= len(played.callers) and legs >= len(played.targets)) or time.monotonic() > deadline_s:
            return ours
        time.sleep(1.0)


@dataclass(frozen=True)
class Machine:
    """What the machine did meanwhile (standstill): shares of the time."""

    disturbed: float
    woken_late: float


def play(
    freeswitch: Path | None, *, calls: int, rate: float
) -> tuple[Agreement, Played, list[dict[str, Any]], Machine]:
    """Everything from start to end. Raises DialtraceError."""
    options = DemoOptions(calls=calls, rate=rate, nodes=1, seed=1, freeswitch=freeswitch)
    with tempfile.TemporaryDirectory(prefix="dialtrace-agree-") as name, running_platform(options) as demo:
        folder = Path(name)
        folder.chmod(0o755)
        telephones = Telephones(folder)
        with telephones.called() as uris:
            operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
            own = provision(operator, demo.plan.api_url, uris)
            time.sleep(2.0)  # for the workers to hear of the numbers
            await_calm()
            with watching(ordinary=True) as watch:
                began_s = time.monotonic()
                played = telephones.place(demo.plan.nodes[0], calls, rate)
                machine = Machine(watch.disturbed(began_s), watch.woken_late(began_s, TOLERANCE_MS / 1000))
                epoch_s = time.time() - time.monotonic()
                stalls = [(since + epoch_s, until + epoch_s) for since, until in watch.stalls()]
            if not played.callers:
                raise CannotPlay("SIPp placed no call")
        records = read_records(operator, own, played)
    return compare(records, played.callers, played.targets, stalls), played, records, machine


def report(
    found: Agreement, played: Played, machine: Machine, *, tolerance_ms: float, within: float
) -> tuple[dict[str, Any], bool]:
    """The table, and whether records and SIPp agree."""
    faults = [*found.faults, *played.unlucky]
    if len(played.callers) != played.asked:
        faults.append(f"{played.asked} calls were asked for, SIPp placed {len(played.callers)}")
    print(f"{found.calls} calls, {found.legs} legs; {found.codes} codes compared, {len(found.faults)} differ")
    print(
        f"the machine was disturbed for {machine.disturbed:.1%} of the time, {found.left_out} moments are left out;"
        f" an ordinary process was woken more than {TOLERANCE_MS:g} ms late in {machine.woken_late:.1%}"
    )
    print(f"{'moment':24} {'count':>6} {'median':>8} {'p95':>8} {'max':>8}   within ms")
    figures: dict[str, Any] = {}
    for what, values in found.apart_ms.items():
        allowed_ms = tolerance_ms + MORE_MS.get(what, 0.0)
        one = spread_of(values, tolerance_ms=allowed_ms)
        share = f"{one.within:.1%} in {allowed_ms:g}"
        print(f"{what:24} {one.count:6} {one.median:8.1f} {one.p95:8.1f} {one.most:8.1f}   {share}")
        figures[what] = {"median_ms": round(one.median, 2), "p95_ms": round(one.p95, 2), "max_ms": round(one.most, 2)}
        if one.within < within or one.most > NEVER_MS:
            told = f"{one.within:.1%} within {allowed_ms:g} ms, the farthest {one.most:.0f} ms apart"
            faults.append(f"{what}: {told}")
    for fault in faults[:30]:
        print("  " + fault)
    figures |= {"calls": found.calls, "legs": found.legs, "codes": found.codes, "faults": len(faults)}
    figures |= {"disturbed": round(machine.disturbed, 3), "woken_late": round(machine.woken_late, 3)}
    figures["left_out"] = found.left_out
    return figures, not faults


def chosen_switch(named: str | None) -> Path | None:
    """None: the embedded node."""
    if named == "embedded":
        return None
    found = named or os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
    return Path(found) if found else None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--freeswitch", help="the binary, or 'embedded'")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE_MS, help="ms")
    parser.add_argument("--within", type=float, default=WITHIN, help="share of each kind of moment, 0 to 1")
    asked = parser.parse_args(arguments)
    configure_logs(level="warning")
    switch = chosen_switch(asked.freeswitch)
    try:
        found, played, records, machine = play(switch, calls=asked.calls, rate=asked.rate)
    except DialtraceError as fault:
        print(f"could not be played: {fault}", file=sys.stderr)
        return 2
    outcomes = Counter(record["outcome"] for record in records)
    print(f"on {'FreeSWITCH' if switch else 'the embedded node'}: {dict(outcomes.most_common())}")
    figures, agreed = report(found, played, machine, tolerance_ms=asked.tolerance, within=asked.within)
    kind = "freeswitch" if switch else "embedded"
    print(json.dumps({"bench": "agree", "switch": kind, "figures": figures, "ratio": {}}))
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
