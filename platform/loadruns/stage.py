"""Where a load run takes place: its machines, the targets that answer, and offering calls to the system."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import scenarios
from .allow import AllowList
from .floods import Flooding, malformed, requests
from .generators import (
    Counted,
    MediaProcess,
    SamplerProcess,
    SippProcess,
    calls_file,
    free_block,
    placing_arguments,
)
from .hosts import LocalMachine, Machine, RemoteMachine, await_end
from .plan import PlannedCall, shared_out
from .profile import Profile
from .seen import Reader, SeenCall, lost_share
from .sound import speech
from .system import System
from .tables import Flood, Host

BEGINS_S = 1.0
#: A generator opens calls this early and is given this much more to come to an end.
LEAD_S, END_S = 3.0, 60.0
#: What it takes to start one more of them: on this machine (True), over SSH (seen on a busy machine: about a second).
START_S = {True: 0.1, False: 2.0}
END_WITHIN_S = 6.0
LOOK_S = 0.5
#: What targets may still have to say after the last caller has ended.
SETTLE_S = 1.5


#: A kind of call, the place of the machine that places it, and its calls.
Part = tuple[str, int, list[PlannedCall]]


@dataclass
class Placing:
    """One generator's part of an offer."""

    sipp: SippProcess
    reader: Reader
    kind: str

    def look(self) -> None:
        """Takes in what has come meanwhile."""
        self.reader.feed(self.sipp.more_trace())


@dataclass
class Offered:
    """What came of calls that were offered."""

    base_s: float
    calls: list[SeenCall]
    counted: dict[str, Counted]
    sound: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]
    floods: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Why it ended before its time; empty if it did not.
    stopped: str = ""


@dataclass
class Stage:
    """Ready to offer calls."""

    profile: Profile
    allowed: AllowList
    system: System
    machines: dict[str, Machine]
    targets: list[SippProcess]
    target_media: list[MediaProcess]
    samplers: list[SamplerProcess]
    #: A file's sound is read once.
    audio: bytes
    taken: set[int]
    #: What the platform's processes said of themselves while calls were offered.
    gauges: list[dict[str, Any]] = field(default_factory=list)
    _rounds: int = 0

    def placing(self) -> list[Machine]:
        return [self.machines[host.name] for host in self.profile.placing]

    def offer(
        self,
        calls: Sequence[PlannedCall],
        *,
        floods: Sequence[Flood] = (),
        lost: Callable[[Sequence[SeenCall], float], str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> Offered:
        """Offers the calls and waits for their end. ``lost`` looks at what was seen so far and says why to stop."""
        self._rounds += 1
        taken, machines = set(self.taken), self.placing()
        parts = shared_out(calls, [kind.name for kind in self.profile.calls], len(machines))
        last_s = max(call.at_s + call.hold_ms / 1000 for call in calls)
        span_s = max([last_s, *(one.from_s + one.for_s for one in floods)])
        with ExitStack() as stack:
            media = self._media(stack, parts, machines, limit_s=span_s + 2 * END_S)
            starts_s = sum(START_S[isinstance(machines[place], LocalMachine)] for _, place, _ in parts)
            base_s = float(int(time.time() + LEAD_S + starts_s + len(calls) / 2000) + 1)
            limit_s = base_s - time.time() + span_s + END_S
            placing = self._callers(parts, machines, media, base_s=base_s, limit_s=limit_s)
            beside = [self._beside(stack, one, base_s=base_s, limit_s=limit_s) for one in floods]
            programs = [part.sipp for part in placing] + [one.sipp for one in beside if one.sipp is not None]
            self._begin(stack, programs, media)
            stopped = self._watch(placing, programs, media, limit_s=limit_s, lost=lost, say=say)
            if stopped:
                for sipp in programs:
                    sipp.give_up()
            running = [one.running for one in programs] + [one.running for one in beside]
            await_end([one for one in running if one is not None], time.monotonic() + END_WITHIN_S)
            time.sleep(SETTLE_S)
        self.taken.intersection_update(taken)  # the others' ports may be had again
        for part in placing:
            part.look()
        return Offered(
            base_s,
            [call for part in placing for call in part.reader.calls],
            {part.sipp.name: part.sipp.counted() for part in placing},
            [one.heard() for one in media],
            {one.flood.name: one.told() for one in beside},
            stopped,
        )

    def _media(
        self, stack: ExitStack, parts: Sequence[Part], machines: Sequence[Machine], *, limit_s: float
    ) -> list[MediaProcess]:
        """The callers' sound on each machine, ready before the first call."""
        media = []
        for place, machine in enumerate(machines):
            one = MediaProcess(machine, f"callers-{self._rounds}", free_block(machine, self.taken))
            logs = [machine.path(f"{self._name(kind, place)}.logs") for kind, host, _ in parts if host == place]
            talk, seed = self.profile.talk, self.profile.rate.seed
            one.start(logs, self.audio, self.allowed, drop=talk.drop, seed=seed, limit_s=limit_s)
            stack.callback(one.stop)
            media.append(one)
        for one in media:
            one.await_ready()
        return media

    def _name(self, kind: str, place: int) -> str:
        return f"{kind}-{place + 1}-{self._rounds}"

    def _callers(
        self,
        parts: Sequence[Part],
        machines: Sequence[Machine],
        media: Sequence[MediaProcess],
        *,
        base_s: float,
        limit_s: float,
    ) -> list[Placing]:
        """Who places what; nobody has begun yet."""
        profile, token, whole = self.profile, secrets.token_hex(4), sum(len(own) for _, _, own in parts)
        placing: list[Placing] = []
        for kind_name, place, own in parts:
            kind = next(kind for kind in profile.calls if kind.name == kind_name)
            name, tail, machine = self._name(kind_name, place), f".{kind_name}.{place}.{token}@load", machines[place]
            machine.put(f"{name}.calls", calls_file(own, self.system.dialled[kind_name]))
            node = self.system.nodes[len(placing) % len(self.system.nodes)]
            # Each generator has its share of all that may stand.
            standing = max(1, round(profile.bounds.standing * len(own) / whole))
            arguments = placing_arguments(node, f"{name}.calls", own, tail=tail, standing=standing, limit_s=limit_s)
            text, words = (
                scenarios.caller(kind, speaks=bool(self.audio)),
                self._words(machine, media[place], name, base_s),
            )
            sipp = SippProcess(machine, name, text, free_block(machine, self.taken), arguments, words)
            expected = {kind_name: profile.expected(kind)[0]}
            placing.append(Placing(sipp, Reader(own, tail=tail, base_s=base_s, expected=expected), kind_name))
        return placing

    def _words(self, machine: Machine, media: MediaProcess | None, kind: str, base_s: float) -> dict[str, str]:
        return {
            "MEDIA": machine.address,
            "MEDIA_PORT": str(media.port if media else 9),
            "KIND": kind,
            "BASE": f"{base_s:.0f}",
        }

    def _begin(self, stack: ExitStack, sipps: Sequence[SippProcess], media: Sequence[MediaProcess]) -> None:
        for sipp in sipps:
            sipp.start()
            stack.callback(sipp.stop)
        time.sleep(BEGINS_S)
        for sipp in sipps:
            sipp.check()
        for one in media:
            one.check()

    def _beside(self, stack: ExitStack, flood: Flood, *, base_s: float, limit_s: float) -> Flooding:
        """A flood from the first machine that places calls; SIPp's is still to be started."""
        machine, name = self.placing()[0], f"{flood.name}-{self._rounds}"
        node, seed = self.system.nodes[0], self.profile.rate.seed
        if flood.kind == "malformed":
            found = malformed(machine, flood, node, name=name, base_s=base_s, seed=seed)
            stack.callback(found.stop)
            return found
        words, port = self._words(machine, None, name, base_s), free_block(machine, self.taken)
        return requests(machine, flood, node, name=name, port=port, words=words, base_s=base_s, limit_s=limit_s)

    def _watch(
        self,
        placing: Sequence[Placing],
        sipps: Sequence[SippProcess],
        media: Sequence[MediaProcess],
        *,
        limit_s: float,
        lost: Callable[[Sequence[SeenCall], float], str] | None,
        say: Callable[[str], None],
    ) -> str:
        """Until all have ended; why they must stop before, if they must."""
        ends_s, roots_s = time.monotonic() + limit_s, 0.0
        # An hour is told in as many looks at the processes as a minute.
        every_s = max(1.0, limit_s / 300)
        while any(sipp.running is not None and sipp.running.status is None for sipp in sipps):
            if time.monotonic() > ends_s:
                return "its time was up"
            # A look reads over all calls: of very many it takes its time.
            time.sleep(max(LOOK_S, sum(len(part.reader.calls) for part in placing) / 20_000))
            for sipp in (*sipps, *self.targets):
                sipp.check()
            for one in (*media, *self.target_media):
                one.check()
            self.system.tend()
            if time.monotonic() > roots_s:
                self.watch_processes(limit_s=limit_s + 60)
                self.gauges.append({"at_s": time.time(), "processes": [], "gauges": self.system.gauges()})
                roots_s = time.monotonic() + every_s
            for part in placing:
                part.look()
            seen = [call for part in placing for call in part.reader.calls]
            say(_progress(seen))
            if lost is not None and (why := lost(seen, time.time())):
                return why
        return ""

    def watch_processes(self, *, limit_s: float) -> None:
        """Tells the sampler of this machine which processes are our platform's now, and which the generators."""
        roots = self.system.roots()
        for sampler in self.samplers:
            if isinstance(sampler.machine, LocalMachine):
                sampler.watch(roots, self.profile_patterns(), limit_s=limit_s)

    def profile_patterns(self) -> dict[str, str]:
        """What else is watched on every machine: the generators; where the platform runs by itself, its processes."""
        generators = {"SIPp": r"^sipp -sf ", "media": r"media\.py /"}
        return generators | ({} if self.system.demo else PATTERNS)


#: Processes of a platform that somebody else has started, by command line.
PATTERNS = {
    "node": r"(^|/)freeswitch |dialtrace node",
    "worker": r"dialtrace work calls",
    "monitor": r"dialtrace work nodes",
    "agent": r"dialtrace agent",
    "api": r"dialtrace api|granian",
    "jobs": r"dialtrace work jobs",
    "database": r"^postgres|/postgres ",
}


def _progress(seen: Sequence[SeenCall]) -> str:
    sent = sum(call.sent_s is not None for call in seen)
    done = sum(call.ended_s is not None for call in seen)
    bad = sum(call.status is not None and call.status != call.expected for call in seen)
    return f"{sent} of {len(seen)} calls sent, {done} ended, {bad} with another answer than expected"


def stop_when(profile: Profile) -> Callable[[Sequence[SeenCall], float], str]:
    """The profile's own conditions for ending before its time."""
    stop = profile.stop

    def lost(calls: Sequence[SeenCall], now_s: float) -> str:
        share, count = lost_share(calls, now_s=now_s, window_s=stop.window_s, setup_ms=stop.setup_ms)
        if count >= 5 and share > stop.failed:
            return (
                f"{share:.0%} of the {count} calls of the last {stop.window_s:g} s failed or heard nothing "
                f"(stop.failed: {stop.failed:.0%})"
            )
        return ""

    return lost


def check_addresses(profile: Profile, nodes: Sequence[tuple[str, int]], allowed: AllowList) -> None:
    """Before anything is sent. Raises NotAllowed."""
    allowed.check(
        [
            *((f"host {host.name}", host.address) for host in profile.hosts),
            *(("node", address) for address, _ in nodes),
        ]
    )


@contextmanager
def machines_of(hosts: Sequence[Host]) -> Iterator[dict[str, Machine]]:
    """All hosts by name, each with a folder that goes at the end."""
    with ExitStack() as stack:
        found: dict[str, Machine] = {}
        for host in hosts:
            one = (
                RemoteMachine(host.name, host.address, host.ssh) if host.ssh else LocalMachine(host.name, host.address)
            )
            stack.callback(one.close)
            found[host.name] = one
        yield found


@contextmanager
def running_stage(profile: Profile, allowed: AllowList, key: str, open_system: Any) -> Iterator[Stage]:
    """Machines, targets, system, provisioned and watched. ``open_system``: see system.running_system."""
    with ExitStack() as stack:
        # Of a standing platform, before the first connection is made.
        check_addresses(profile, profile.system.addresses, allowed)
        machines = stack.enter_context(machines_of(profile.hosts))
        audio = speech(profile.talk.audio)
        system = stack.enter_context(open_system(profile, key, [host.address for host in profile.answering]))
        check_addresses(profile, system.nodes, allowed)
        stage = Stage(profile, allowed, system, machines, [], [], [], audio, set())
        uris = [_answering(stage, stack, host) for host in profile.answering]
        system.provision(profile, uris)
        for machine in machines.values():
            sampler = SamplerProcess(machine, f"sampler-{machine.name}")
            sampler.start(system.roots(), stage.profile_patterns(), limit_s=profile.bounds.seconds + 600)
            stack.callback(sampler.stop)
            stage.samplers.append(sampler)
        yield stage


def _answering(stage: Stage, stack: ExitStack, host: Host) -> dict[str, str]:
    """Starts a host's targets and their sound; their addresses by name."""
    profile, machine = stage.profile, stage.machines[host.name]
    limit_s = profile.bounds.seconds + 600
    media = MediaProcess(machine, f"targets-{host.name}", free_block(machine, stage.taken))
    targets = []
    for one in profile.targets:
        name = f"target-{one.name}"
        targets.append(
            SippProcess(
                machine,
                name,
                scenarios.target(one, speaks=bool(stage.audio)),
                free_block(machine, stage.taken),
                ["-timeout", f"{limit_s:.0f}s"],
                stage._words(machine, media, name, 0.0),
            )
        )
    if targets:
        media.start(
            [one.log_path for one in targets], stage.audio, stage.allowed,
            drop=profile.talk.drop, seed=profile.rate.seed + 1, limit_s=limit_s,
        )  # fmt: skip
        stack.callback(media.stop)
        media.await_ready()
        stage.target_media.append(media)
        stage._begin(stack, targets, [media])
        stage.targets.extend(targets)
    return {
        one.name: f"sip:{one.name}@{machine.address}:{sipp.port}"
        for one, sipp in zip(profile.targets, targets, strict=True)
    }
