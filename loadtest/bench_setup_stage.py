"""What bench_setup.py measures on: the whole platform with one node, a target, a stock greenswitch server, and callers.

All of it listens on loopback, writes into one temporary folder, and ends with the program.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from dialtrace.apiclient import ApiClient
from dialtrace.calls.plan import CALL_MARK, make_plan
from dialtrace.calls.routes import RouteStore
from dialtrace.config import Settings, load_settings
from dialtrace.db.engine import Database
from dialtrace.demo.sipp import Sipp
from dialtrace.demo.sound import CALLER_TONE_HZ, ulaw_tone
from dialtrace.errors import DialtraceError
from dialtrace.freeswitch_launch import configuration_folder
from dialtrace.launch import PROGRAM, is_listening, make_spool, plan_platform, running_database
from dialtrace.loadruns.idle import ask_switch, settle_node
from dialtrace.loadtest.bench_setup_plain import plan_actions, with_contestants, write_overlay
from dialtrace.loadtest.bench_setup_trace import TracedCall, Trial, is_lost, read_trace, trial_of
from dialtrace.nodesfile import NodeSettings
from dialtrace.supervisor import ChildSpec, Supervisor

#: Numbers that reach nobody (Ofcom's range for drama), by contestant.
NUMBERS = {"plain": "441632960100", "worker": "441632960101", "stock": "441632960102"}
#: Everything of ours but RTP listens here, below Linux' ephemeral ports.
PORTS = range(28_000, 28_500)
TARGET_MEDIA_PORT, CALLER_MEDIA_PORT = 28_490, 28_494
#: After the last INVITE and the conversation, this much for what is slow; then it has failed.
GRACE_S = 2.5
SETTLE_TIMEOUT_S = 5.0
HANGUP_TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.2
MOST_CALLS = 500
HERE = Path(__file__).resolve().parent


class StageFailed(DialtraceError):
    """Something that the measurement needs does not work."""


@dataclass
class Stage:
    """A platform that is ready to be called."""

    folder: Path
    node: NodeSettings
    supervisor: Supervisor
    target: Sipp
    stock_pid: int
    version: str
    hold_s: float
    records: bool
    ports: Iterator[int] = field(repr=False)
    #: Programs that keep the processors awake: no work of anybody.
    awake: list[int] = field(default_factory=list)
    #: Callers and target speak, instead of staying silent.
    talks: bool = False
    database_url: str = ""

    def call(self, contestant: str, rate: float, seconds: float, *, until_lost: bool = False) -> Trial:
        """Calls to the contestant's number at a rate, for so long; then waits until the switch is idle again.
        ``until_lost`` stops as soon as the rate cannot have been sustained: nothing is learnt from the wreck."""
        asked = max(2, round(rate * seconds))
        port = next(self.ports)
        trace = self.folder / "sipp" / f"{contestant}-{port}.trace"
        limit_s = seconds + self.hold_s + GRACE_S
        caller = self._caller(contestant, port, trace, asked=asked, span_s=asked / rate, limit_s=limit_s)
        caller.start()
        deadline_s = time.monotonic() + limit_s
        try:
            while caller.running and time.monotonic() < deadline_s:
                time.sleep(LOOK_EVERY_S)
                if until_lost and is_lost(_read(trace), asked=asked, now_s=time.time()):
                    break
        finally:
            caller.stop()
        self._must_be_whole()
        self._settle()
        if not trace.exists():
            raise StageFailed(f"SIPp made no call: {(trace.parent / (caller.name + '.log')).read_text()}")
        return trial_of(_read(trace), rate=rate, asked=asked)

    def _caller(self, contestant: str, port: int, trace: Path, *, asked: int, span_s: float, limit_s: float) -> Sipp:
        number = f"+{NUMBERS[contestant]}"
        scenario, audio, dialled = "bench_setup_caller.xml", trace, ["-s", number]
        if self.talks:
            calls = trace.with_suffix(".calls")
            calls.write_text(f"SEQUENTIAL\n{number};+447700900001;0;\n", encoding="ascii")
            scenario, audio, dialled = "caller_answered.xml", _voice(self.folder), ["-inf", str(calls)]
        return Sipp(
            f"{contestant}-{port}", trace.parent, scenario, audio, port, CALLER_MEDIA_PORT,
            [
                "{}:{}".format(*self.node.sip_address), *dialled, "-m", str(asked),
                "-l", str(asked + 1), "-r", str(asked), "-rp", str(round(span_s * 1000)),
                "-d", str(round(self.hold_s * 1000)), "-timeout", f"{limit_s:.0f}s",
                "-trace_shortmsg", "-shortmessage_file", str(trace),
            ],
        )  # fmt: skip

    def cpu_seconds(self) -> Counter[str]:
        """What each kind of process has used so far; ``caller`` is SIPp and this program, ``others`` the rest of the
        machine."""
        own = os.times()
        used = Counter(caller=own.user + own.system + own.children_user + own.children_system)
        for kind, process in self._processes():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            used[kind] += times.user + times.system
        machine = psutil.cpu_times()
        used["others"] = sum(machine) - machine.idle - machine.iowait - machine.guest - sum(used.values())
        return used

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for child in self.supervisor.children.values():
            if child.pid is not None:
                yield child.spec.kind, psutil.Process(child.pid)
        if self.target.process is not None:
            yield "target", psutil.Process(self.target.process.pid)
        yield "stock", psutil.Process(self.stock_pid)
        yield from (("awake", psutil.Process(pid)) for pid in self.awake)
        data = str(self.folder)
        for process in psutil.process_iter(["name", "cwd"]):
            if "postgres" in (process.info["name"] or "") and (process.info["cwd"] or "").startswith(data):
                yield "database", process

    def _must_be_whole(self) -> None:
        dead = [name for name, child in self.supervisor.children.items() if not child.alive]
        dead += [] if psutil.pid_exists(self.stock_pid) and self.target.running else ["target or stock server"]
        if dead:
            raise StageFailed(f"ended while it was measured: {', '.join(dead)}")

    def _settle(self) -> None:
        """What one turn leaves behind must not load the next."""
        switch = self.supervisor.children[self.node.name]
        settle_node(self.node, switch, idle_s=SETTLE_TIMEOUT_S, hang_up_s=HANGUP_TIMEOUT_S, records=self.records)


def _voice(folder: Path) -> Path:
    """What callers and target say, without an end."""
    voice = folder / "voice.ulaw"
    if not voice.exists():
        voice.write_bytes(ulaw_tone(CALLER_TONE_HZ, 2.0))
    return voice


def _read(trace: Path) -> list[TracedCall]:
    if not trace.exists():
        return []
    with trace.open(encoding="utf-8", errors="replace") as lines:
        return read_trace(lines)


def free_ports(ports: Iterable[int] = PORTS) -> Iterator[int]:
    """Ports of the range that nobody has, for UDP and TCP, each once, and then again from the start."""
    while True:
        some = False
        for port in ports:
            if port < TARGET_MEDIA_PORT and _is_free(port):
                some = True
                yield port
        if not some:
            raise StageFailed(f"no free port in {PORTS.start}-{PORTS.stop - 1}")


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@contextmanager
def running_stage(freeswitch: Path | None, *, hold_s: float, records: bool, talks: bool = False) -> Iterator[Stage]:
    """Everything up and provisioned. ``records`` False leaves monitor and agent out: the call plane alone. ``talks``:
    both sides send RTP while a call stands."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtrace-bench-setup-")))
        folder.chmod(0o755)
        ports = free_ports()
        settings = _settings(folder, ports)
        node = _node(settings, ports, "freeswitch" if freeswitch else "embedded")
        scenario, audio = ("target_answers.xml", _voice(folder)) if talks else ("bench_setup_target.xml", folder)
        target = Sipp("target", folder / "sipp", scenario, audio, next(ports), TARGET_MEDIA_PORT)
        target.start()
        stack.callback(target.stop)
        url = stack.enter_context(running_database(settings))
        platform = plan_platform(settings, url, [node], freeswitch=freeswitch, max_calls=MOST_CALLS)
        supervisor = stack.enter_context(Supervisor(log_folder=folder / "logs"))
        control = [spec for spec in platform.groups[0] if records or spec.kind not in ("agent", "monitor")]
        supervisor.start(control)
        _provision(ApiClient(platform.api_url, platform.operator_token), platform.api_url, target.sip_port)
        plan = _plan_of_worker(url, node.spool)
        stock_port = next(ports)
        stock_pid = stack.enter_context(_running_stock(folder, stock_port, plan))
        text = with_contestants(
            (configuration_folder() / "dialplan" / "inbound.xml").read_text(encoding="utf-8"),
            plain=NUMBERS["plain"],
            stock=NUMBERS["stock"],
            stock_address=f"127.0.0.1:{stock_port}",
            actions=plan_actions(plan),
        )
        dialplan = write_overlay(configuration_folder(), folder / "switch", text)
        supervisor.start([_on_overlay(spec, dialplan) for spec in platform.groups[1]])
        version = ask_switch(node, "version").strip().removeprefix("FreeSWITCH Version ").split(" ")[0]
        yield Stage(
            folder, node, supervisor, target, stock_pid, version, hold_s, records, ports, talks=talks, database_url=url
        )


def _settings(folder: Path, ports: Iterator[int]) -> Settings:
    return load_settings(
        {
            "DIALTRACE_DATA_DIR": str(folder / "data"),
            "DIALTRACE_API_LISTEN": f"127.0.0.1:{next(ports)}",
            "DIALTRACE_WORKER_LISTEN": f"127.0.0.1:{next(ports)}",
            "DIALTRACE_LIVE_LISTEN": f"127.0.0.1:{next(ports)}",
            "DIALTRACE_LOG_LEVEL": "warning",
            "DIALTRACE_TARGET_HOSTS_ALLOWED": "127.0.0.1",
        }
    )


def _node(settings: Settings, ports: Iterator[int], kind: str) -> NodeSettings:
    """On a loopback address of its own: a switch refuses a call whose RTP port another program has taken meanwhile, and
    on 127.0.0.1 there may be many."""
    own_address = f"127.28.{os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
    return NodeSettings(
        name="node-1",
        kind=kind,
        sip=f"{own_address}:{next(ports)}",
        event_socket=f"127.0.0.1:{next(ports)}",
        event_socket_password=f"bench-{time.time_ns()}",
        spool=make_spool(settings.data_dir / "nodes" / "node-1"),
    )


def _provision(operator: ApiClient, url: str, target_port: int) -> None:
    """One client with one target and one number, its calls recorded."""
    agency = operator.post("/v1/agencies", {"name": "Bench"})
    key = operator.post("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "bench"})
    own = ApiClient(url, key["token"])
    client = own.post("/v1/clients", {"name": "Bench", "time_zone": "Europe/London"})["id"]
    address = f"sip:target@127.0.0.1:{target_port}"
    target = own.post("/v1/targets", {"client_id": client, "name": "t", "address": address, "ring_timeout_s": 20})["id"]
    document = {"version": 1, "record": True, "steps": [{"type": "ring", "targets": [target]}]}
    flow = own.post("/v1/flows", {"client_id": client, "name": "f", "document": document})["id"]
    number = f"+{NUMBERS['worker']}"
    own.post("/v1/numbers", {"client_id": client, "number": number, "flow_id": flow, "label": "bench"})


def _plan_of_worker(database_url: str, spool: Path) -> str:
    """The plan that a worker makes for the number, the call's UUID left open, and the folder that it records into."""
    day = datetime.now(UTC).strftime("%Y%m%d")
    (spool / "recordings" / day).mkdir(parents=True, exist_ok=True)
    database = Database(database_url, pool_size=1)
    try:
        route = RouteStore(database).find_route(f"+{NUMBERS['worker']}")
    finally:
        database.dispose()
    return make_plan(route, call_id=CALL_MARK, day=day, spool=str(spool), decided="worker")


@contextmanager
def _running_stock(folder: Path, port: int, plan: str) -> Iterator[int]:
    plan_file = folder / "stock.plan"
    plan_file.write_text(plan, encoding="utf-8")
    with (folder / "stock.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "bench_setup_stock.py"), str(port), str(plan_file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline_s = time.monotonic() + 15
        while not is_listening(("127.0.0.1", port)):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise StageFailed(f"the stock server did not start: {(folder / 'stock.log').read_text()}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.kill()
        process.wait(5)


def _on_overlay(spec: ChildSpec, dialplan: Path) -> ChildSpec:
    """The node's process on our copy of the configuration."""
    argv = list(spec.argv)
    if argv[: len(PROGRAM)] == PROGRAM:
        return replace(spec, argv=[sys.executable, str(HERE / "bench_setup_node.py"), str(dialplan), *argv[4:]])
    argv[argv.index("-conf") + 1] = str(dialplan.parent.parent)
    return replace(spec, argv=argv)
