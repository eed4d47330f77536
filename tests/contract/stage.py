"""What a case works with: its own number, its targets, its plan, its callers; and what remains of it when it is over.

A case hands back what it saw; the stage adds the interpreted records of its calls. Nothing is asserted here: everything
is hung up, closed and read first. Runs in a process that gevent has patched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import gevent

from dialtrace.calls.model import Route
from dialtrace.calls.plan import Plan, make_plan, point_of
from dialtrace.calls.plan_file import plan_file, plan_path
from dialtrace.cdr.interpret import interpret
from dialtrace.esl.events import ConnectReply
from dialtrace.trunks.gateways import Gateway
from dialtrace.workers.call_facts import read_facts
from dialtrace.workers.gateway_keeper import GatewayKeeper

from .facts import comparable
from .sound import CALLER_TONE_HZ, TARGET_TONE_HZ, recording_of, write_tone
from .switches import Switch
from .telephone import Challenge, Dialog, Line
from .worker import GOOD, Act, ScriptedWorker, gives

AGENCY, CLIENT, NUMBER, FLOW = (UUID(f"01990000-0000-7000-8000-0000000000{end}") for end in ("a1", "c7", "d1", "f1"))
_NAMES = {str(AGENCY): "the agency", str(CLIENT): "the client", str(NUMBER): "the number", str(FLOW): "the flow"}
FLOW_VERSION = 3
#: What targets that are telephone numbers are called by.
TELEPHONE = "+442079460100"
#: Of a whisper, a menu and the like; far from the telephones' tones.
PROMPT_HZ, ANNOUNCEMENT_HZ = 1750, 440


class Target:
    """A telephone that a case's plan may ring."""

    def __init__(
        self,
        index: int,
        behave: Callable[[Dialog], None] | None,
        tone_hz: int,
        challenge: Challenge | None = None,
    ) -> None:
        self.id = UUID(f"01990000-0000-7000-8000-0000000000e{index}")
        self.name = f"target-{index}"
        self.line = Line(tone_hz=tone_hz, on_call=behave, challenge=challenge)
        if behave is None:
            self.line.close()

    @property
    def address(self) -> str:
        return f"t@127.0.0.1:{self.line.port}"

    @property
    def call(self) -> Dialog:
        """The one call that it got."""
        assert len(self.line.calls) == 1, f"{self.name} was called {len(self.line.calls)} times"
        return self.line.calls[0]


class Stage:
    """One case's place on a switch."""

    def __init__(self, number: str, switch: Switch, worker: ScriptedWorker) -> None:
        self.number = number
        self.switch = switch
        self.worker = worker
        self.targets: list[Target] = []
        self.callers: list[Line] = []
        self.dialogs: list[Dialog] = []
        #: Whether every knock is answered with a plan, so that no call may come to the plans on the disk.
        self.workers_are_good = False

    # --- what the case sets up ---

    def target(
        self,
        behave: Callable[[Dialog], None] | None,
        *,
        tone_hz: int = TARGET_TONE_HZ,
        challenge: Challenge | None = None,
    ) -> Target:
        """None: nothing listens at its address. ``challenge``: what it wants to be told before it listens."""
        found = Target(len(self.targets) + 1, behave, tone_hz, challenge)
        self.targets.append(found)
        return found

    def route(self, *steps: dict[str, Any], record: bool = True, status: str = "active") -> Route:
        """A number's route with this flow, as the database would give it."""
        compiled = {"version": 1, "record": record, "steps": list(steps)}
        return Route(AGENCY, CLIENT, NUMBER, status, FLOW, FLOW_VERSION, compiled)

    def runs(self, route: Route | None, **known: Any) -> None:
        """A worker answers with the plan of this route, made as the platform's worker makes it."""
        self.acts(gives(planned(route, **known)))

    def acts(self, *acts: Act) -> None:
        """What the worker does at each knock, the last for ever."""
        self.worker.acts[self.number] = list(acts)
        self.workers_are_good = all(act in GOOD for act in acts)

    def fallback(self, route: Route) -> None:
        """Puts the number's ready-made plan on the node's disk, as the monitor does."""
        text = plan_file(route, spool=str(self.switch.spool), now=datetime.now(UTC))
        assert text is not None
        path = self.switch.spool / "plans" / plan_path("+" + self.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def gateways(self, *gateways: Gateway) -> None:
        """The switch is told of these, and of no others, as the node's monitor tells it."""
        GatewayKeeper(
            node=self.switch.kind, spool=self.switch.spool, find_gateways=lambda: gateways, api=self.switch.api,
            core_uuid=lambda: self.switch.api("global_getvar", "core_uuid"),
        ).keep()  # fmt: skip

    def prompt(self, name: str, seconds: float, hertz: int = PROMPT_HZ) -> Path:
        return write_tone(self.switch.spool / "prompts" / f"{name}.wav", hertz, seconds)

    def leg(self, target: Target, **variables: str) -> str:
        """A target in a bridge's dial string."""
        facts = {
            "leg_timeout": "20",
            **variables,
            "dialtrace_target": str(target.id),
            "dialtrace_agency": str(AGENCY),
            "dialtrace_client": str(CLIENT),
        }
        return f"[{','.join(f'{name}={value}' for name, value in facts.items())}]sofia/external/{target.address}"

    # --- calls ---

    def call(
        self,
        *,
        name: str = '"Caller"',
        caller: str = "+74955550123",
        number: str | None = None,
        tone_hz: int = CALLER_TONE_HZ,
        more: str = "",
    ) -> Dialog:
        line = Line(tone_hz=tone_hz)
        self.callers.append(line)
        dialog = line.call(self.switch.sip, number or self.number, caller=caller, name=name, more=more)
        self.dialogs.append(dialog)
        return dialog

    def call_id(self, dialog: Dialog) -> str:
        return self.switch.call_id_of(dialog.call_id)

    def knocks(self) -> int:
        """How many times the switch asked a worker about this case's number."""
        return len(self.worker.knocks[self.number])

    def recording(self, dialog: Dialog, segment: int = 1) -> dict[str, Any] | None:
        """After the call's end, which closes the file: its shape and what each side says."""
        call = self.call_id(dialog)
        self.switch.wait_for_event(call, "CHANNEL_HANGUP_COMPLETE")
        found = list((self.switch.spool / "recordings").glob(f"*/{call}-{segment}.wav"))
        return recording_of(found[0]) if found else None

    # --- afterwards ---

    def clean_up(self) -> None:
        """Hang up what stands, close every telephone."""
        for dialog in self.dialogs:
            if dialog.final is None:
                dialog.cancel()
            elif dialog.final.status == 200:
                dialog.hang_up()
        for dialog in self.dialogs:
            dialog.wait(lambda one=dialog: one.over, "its end", 5.0)
        gevent.sleep(0.1)  # a target answers its own BYE before its telephone goes
        for line in (*self.callers, *(target.line for target in self.targets)):
            line.close()
        self.worker.acts.pop(self.number, None)

    def names(self) -> dict[str, str]:
        targets = {str(target.id): target.name for target in self.targets}
        by_trunk = {f"{TELEPHONE}@127.0.0.1:{target.line.port}": target.name for target in self.targets}
        return _NAMES | targets | {target.address: target.name for target in self.targets} | by_trunk

    def records(self) -> list[list[dict[str, Any]]]:
        """Of each call its files' facts."""
        return [
            comparable(self.switch.records(self.call_id(one)), number=self.number, names=self.names())
            for one in self.dialogs
        ]

    def facts(self, dialog: Dialog) -> list[Any]:
        """What the interpreter reads of a call that has ended: the call, then its legs."""
        return [interpret(record, node="node-1") for record in self.switch.records(self.call_id(dialog))]

    def headers(self) -> dict[str, list[str]]:
        """Which headers the switch's words had: of each kind of event by the leg's direction, of the connect reply, of
        the records' variables."""
        found: dict[str, set[str]] = {}
        for knock in self.worker.knocks[self.number]:
            found.setdefault("connect", set()).update(knock.reply.raw)
        for dialog in self.dialogs:
            for record in self.switch.records(self.call_id(dialog)):
                side = "outbound" if record["variables"]["direction"] == "outbound" else "inbound"
                found.setdefault(f"CDR {side}", set()).update(record["variables"])
                for event in self.switch.events_of(record["variables"]["uuid"]):
                    found.setdefault(f"{event.name} {side}", set()).update(event.headers)
        return {name: sorted(headers) for name, headers in sorted(found.items())}

    def keep(self, folder: Path) -> None:
        """What a capture is made of: the records and the workers' replies as the switch wrote them, and the case's own
        words for what is in them."""
        folder.mkdir(parents=True, exist_ok=True)
        for index, knock in enumerate(self.worker.knocks[self.number]):
            (folder / f"connect-{index + 1}.reply").write_bytes(knock.raw)
        for record in self.switch.records(self.call_id(self.dialogs[0])):
            name = f"{record['variables']['uuid']}.cdr.json"
            found = [self.switch.spool / "cdr" / prefixed for prefixed in (name, f"a_{name}")]
            source = next(path for path in found if path.exists())
            (folder / source.name).write_bytes(source.read_bytes())
        words = {"number": self.number, "names": self.names()}
        (folder / "case.json").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")


def planned(route: Route | None, **known: Any) -> Callable[[ConnectReply], str]:
    """As platform/workers/call.py makes it from what the switch tells; ``known`` are facts as the database would tell
    them, or ``database=None`` where it is away."""

    def plan(reply: ConnectReply) -> str:
        told = reply.variable
        caller = told("dialtrace_caller")
        facts = read_facts(
            told, known.get("database", known), call_id=reply.call_id, caller=caller, now=datetime.now(UTC)
        )
        return make_plan(
            route,
            call_id=reply.call_id,
            day=datetime.fromtimestamp(reply.created_us / 1e6, UTC).strftime("%Y%m%d"),
            spool=told("dialtrace_spool") or "",
            decided="worker",
            point=point_of(told("dialtrace_step"), told("dialtrace_result")),
            facts=facts,
        )

    return plan


def ring(*targets: Target, seconds: int = 20) -> dict[str, Any]:
    """A flow's step that rings these one after another."""
    return {
        "type": "ring",
        "targets": [{"id": str(one.id), "address": f"sip:{one.address}", "ring_timeout_s": seconds} for one in targets],
    }


def announce(seconds: float = 0.6, hertz: int = ANNOUNCEMENT_HZ) -> dict[str, Any]:
    """A flow's step that answers and plays a tone."""
    return {
        "type": "announce",
        "prompt": {"kind": "tone", "frequency_hz": hertz, "duration_ms": round(seconds * 1000)},
    }


def actions(*steps: tuple[str, str], facts: Mapping[str, str] | None = None, going_on: bool = True) -> str:
    """A plan for what flows cannot say yet, within the plan builder's own rules."""
    plan = Plan()
    said = {
        "agency": str(AGENCY), "client": str(CLIENT), "number": str(NUMBER), "flow": str(FLOW),
        "flow_version": str(FLOW_VERSION), "decided": "worker", **(facts or {}),
    }  # fmt: skip
    plan.add_facts(said.items())
    if going_on:
        plan.add_variables((name, "true") for name in ("continue_on_fail", "hangup_after_bridge", "ignore_early_media"))
    for application, data in steps:
        plan.add(application, data)
    return str(plan)


FINISH = ("transfer", "finish XML flow")
RESUME = ("transfer", "resume XML flow")
