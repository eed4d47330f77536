"""What is loaded: a platform that the run starts for itself, or one that runs. It is provisioned through the public API
as any partner would, and asked for its records afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ..apiclient import ApiClient, ApiRefused
from ..db.tables import OPERATOR_AGENCY
from ..demo.stage import METRICS_PORTS, Demo, DemoOptions, await_calm, free_ports, running_platform
from .errors import SystemNotReady
from .profile import Profile
from .tables import Calls

#: A number of our own platform: Ofcom's range for drama, which reaches nobody.
FIRST_NUMBER = 441632960100
MENU_PROMPT = {"kind": "tone", "frequency_hz": 440, "duration_ms": 300}
#: For the workers to hear of new numbers.
ROUTES_S = 2.0


@dataclass
class System:
    """Something that takes calls."""

    nodes: list[tuple[str, int]]
    own: ApiClient
    #: Sees calls to numbers that nobody has; None where we have no operator's key.
    operator: ApiClient | None
    #: The platform of this run; None: it ran before.
    demo: Demo | None = None
    #: The numbers of each kind of call: one for each host that answers.
    dialled: dict[str, list[str]] = field(default_factory=dict)
    _made: list[str] = field(default_factory=list)

    @property
    def about(self) -> dict[str, Any]:
        """What was loaded, for the report."""
        kind = "standing" if self.demo is None else self.demo.options.switch
        versions = {}
        if self.operator is not None:
            for node in self.operator.get("/v1/nodes")["data"]:
                versions[node["name"]] = node["switch_version"]
        return {"kind": kind, "nodes": [f"{host}:{port}" for host, port in self.nodes], "versions": versions}

    def roots(self) -> dict[str, list[int]]:
        """Process ids of our own platform by kind, as they are at this moment; empty: it runs elsewhere."""
        if self.demo is None:
            return {}
        found: dict[str, list[int]] = {"load run": [os.getpid()]}
        for child in self.demo.supervisor.children.values():
            if child.pid is not None:
                found.setdefault(child.spec.kind, []).append(child.pid)
        data = str(self.demo.folder)
        for process in psutil.process_iter(["name", "cwd"]):
            if "postgres" in (process.info["name"] or "") and (process.info["cwd"] or "").startswith(data):
                found.setdefault("database", []).append(process.pid)
        return found

    def gauges(self) -> dict[str, float]:
        """What our own platform's processes say of themselves, by kind: how many greenlets live."""
        found: dict[str, float] = {}
        children = self.demo.supervisor.children.values() if self.demo is not None else ()
        for child in children:
            listen = child.spec.environment.get("DIALTRACE_METRICS_LISTEN")
            if listen and (value := scraped(f"http://{listen}/metrics", "dialtrace_greenlets")) is not None:
                name = f"{child.spec.kind}/greenlets"
                found[name] = found.get(name, 0.0) + value
        return found

    def tend(self) -> None:
        """Keep our own platform's processes going, as `dialtrace up` does."""
        if self.demo is not None:
            self.demo.supervisor.tend()

    def provision(self, profile: Profile, uris: Sequence[Mapping[str, str]]) -> None:
        """A client with a flow and a number for each kind of call and each host that answers. ``uris``: of each such
        host, its targets' addresses by name."""
        numbers = iter(profile.system.numbers or [f"+{FIRST_NUMBER + place}" for place in range(1000)])
        client = self.own.post("/v1/clients", {"name": f"Load run {profile.name}", "time_zone": "Europe/London"})["id"]
        for kind in profile.calls:
            self.dialled[kind.name] = []
            for host, own in enumerate(uris if kind.targets else [{}]):
                number = next(numbers)
                self.dialled[kind.name].append(number)
                if kind.targets:
                    self._lead(client, number, kind, host, own, record=profile.talk.record)
        time.sleep(ROUTES_S)
        await_calm()

    def _lead(self, client: str, number: str, kind: Calls, host: int, uris: Mapping[str, str], *, record: bool) -> None:
        """The number to the kind's targets on one host."""
        name = f"{kind.name} {host + 1}"
        targets = [
            self._target(client, f"{name} {target}", uris[target], kind.ring_timeout_s) for target in kind.targets
        ]
        document = flow_of(kind, targets, record=record)
        flow = self.own.post("/v1/flows", {"client_id": client, "name": name, "document": document})["id"]
        made = {"client_id": client, "number": number, "flow_id": flow, "label": f"load run: {name}"}
        self._made.append(self.own.post("/v1/numbers", made)["id"])

    def _target(self, client: str, name: str, uri: str, ring_timeout_s: int) -> str:
        body = {"client_id": client, "name": name, "address": uri, "ring_timeout_s": ring_timeout_s}
        return str(self.own.post("/v1/targets", body)["id"])

    def withdraw(self) -> None:
        """Gives back the numbers of a platform that goes on without us."""
        if self.demo is None:
            for number in self._made:
                self.own.delete(f"/v1/numbers/{number}")

    def records(self, call_ids: set[str], *, since: str) -> dict[str, dict[str, Any]]:
        """What the API lists of our calls, by SIP Call-ID."""
        sources: list[tuple[ApiClient, dict[str, str]]] = [(self.own, {})]
        if self.operator is not None:
            sources.append((self.operator, {"agency_id": OPERATOR_AGENCY}))
        found = {}
        for client, whose in sources:
            for call in client.read_all("/v1/calls", limit=200, started_from=since, **whose):
                if call["sip_call_id"] in call_ids:
                    found[call["sip_call_id"]] = call
        return found


def flow_of(kind: Calls, targets: Sequence[str], *, record: bool) -> dict[str, Any]:
    """The flow behind a kind's number. Where the caller presses a key, only that key leads on: a call that is connected
    proves that it was heard."""
    ring: dict[str, Any] = {"type": "ring", "targets": list(targets)}
    if not kind.dtmf:
        return {"version": 1, "record": record, "steps": [ring]}
    menu = {
        "type": "menu", "prompt": MENU_PROMPT, "choices": {kind.dtmf: "desk"}, "timeout_s": 5, "otherwise": "sorry",
    }  # fmt: skip
    sorry = {"name": "sorry", "type": "announce", "prompt": MENU_PROMPT}
    return {"version": 2, "record": record, "steps": [menu, ring | {"name": "desk", "otherwise": "sorry"}, sorry]}


def freeswitch_binary() -> Path:
    """Of this machine. Raises SystemNotReady."""
    found = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
    if not found or not Path(found).exists():
        raise SystemNotReady("system.switch is 'freeswitch', and there is none: set FREESWITCH_BIN to its binary")
    return Path(found)


def scraped(url: str, name: str) -> float | None:
    """One figure without labels of a process's own metrics; None where it has none, or does not answer now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 (our own child on loopback)
            text = answer.read().decode("utf-8", "replace")
    except OSError:
        return None
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


@contextmanager
def running_system(profile: Profile, key: str, hosts: Sequence[str]) -> Iterator[System]:
    """What the profile names, ready to be provisioned. ``key``: a standing platform's. ``hosts``: where targets are."""
    with ExitStack() as stack:
        if profile.system.kind == "standing":
            system = standing_system(profile, key)
            stack.callback(system.withdraw)
        else:
            system = stack.enter_context(_own_system(profile, hosts))
        yield system


@contextmanager
def _own_system(profile: Profile, hosts: Sequence[str]) -> Iterator[System]:
    switch = freeswitch_binary() if profile.system.switch == "freeswitch" else None
    options = DemoOptions(calls=0, rate=profile.bounds.cps, nodes=1, seed=profile.rate.seed, freeswitch=switch)
    more = {
        "DIALTRACE_TARGET_HOSTS_ALLOWED": ",".join(sorted({"127.0.0.1", *hosts})),
        "DIALTRACE_METRICS_LISTEN": f"127.0.0.1:{free_ports(METRICS_PORTS)}",
    }
    with running_platform(options, more_settings={**more, "DIALTRACE_LOG_LEVEL": "warning"}) as demo:
        operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
        own = agency_client(operator, demo.plan.api_url, f"Load run {profile.name}")
        yield System([node.sip_address for node in demo.plan.nodes], own, operator, demo)


def standing_system(profile: Profile, key: str) -> System:
    """A platform that runs. With an operator's key the run makes an agency of its own, with an agency's it uses that
    one. Raises SystemNotReady."""
    if not key:
        raise SystemNotReady("DIALTRACE_API_KEY: not set; a standing platform is provisioned through its API")
    client = ApiClient(profile.system.api.rstrip("/"), key)
    nodes = profile.system.addresses
    try:
        client.get("/v1/nodes")
    except ApiRefused as refused:
        if re.search(r": 40[13] ", str(refused)) is None or ": 401 " in str(refused):
            raise SystemNotReady(f"the platform does not take the key: {refused}") from refused
        return System(nodes, client, None)
    return System(nodes, agency_client(client, profile.system.api.rstrip("/"), f"Load run {profile.name}"), client)


def agency_client(operator: ApiClient, url: str, name: str) -> ApiClient:
    """A new agency's own key."""
    agency = operator.post("/v1/agencies", {"name": name})
    key = operator.post("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "load run"})
    return ApiClient(url, key["token"])
