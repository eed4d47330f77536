"""Runs one channel: routes it through the dialplan and executes applications, one greenlet per call.

The states are FreeSWITCH's: ROUTING (hunt an extension), EXECUTE (run its actions), then hang-up and reporting. A
transfer, a reset (a lost worker with ``socket_resume``) or a hang-up interrupts whatever application is waiting; every
wait of an application goes through :meth:`Session.pause`, so that none can miss it.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from . import dialplan
from .channel import Channel, now_us
from .model import Action, Extension
from .syntax import expand, separate, truth

MAX_COMMANDS = 256  # SWITCH_EVENT_QUEUE_LEN of the switch
MAX_NESTING = 32  # SWITCH_MAX_STACKS
MAX_TRANSFERS = 70  # what Max-Forwards allows where max_session_transfers is not set
MAX_CALL_S = 14_400.0
_LONG_S = 60.0

App = Callable[["Session", str], str | None]


@dataclass(frozen=True, slots=True)
class Command:
    """An application that an event socket asked for."""

    application: str
    data: str
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    lock: bool = False
    loops: int = 1


@dataclass(frozen=True, slots=True)
class Transfer:
    destination: str
    dialplan: str = "XML"
    context: str = ""


class Session:
    """The greenlet's view of a channel."""

    def __init__(self, channel: Channel, apps: dict[str, App]) -> None:
        self.channel = channel
        self.core = channel.core
        self.transfer: Transfer | None = None
        self.reset = False
        self.broken = False
        self.commands: deque[Command] = deque()
        self._apps = apps
        self._locked = 0
        self._depth = 0
        self._nested = 0
        self._transfers = 0

    # --- what others ask for; never waits ---

    def request_transfer(self, transfer: Transfer) -> None:
        self.transfer = transfer
        self.channel.wake()

    def request(self, command: Command) -> bool:
        """Queue an application; False when the queue is full."""
        if len(self.commands) >= MAX_COMMANDS:
            return False
        self.commands.append(command)
        self.channel.wake()
        return True

    def request_break(self) -> None:
        """End the running sound (``uuid_break``)."""
        self.broken = True
        self.channel.wake()

    # --- waiting ---

    @property
    def interrupted(self) -> bool:
        """Whether the running application must end now."""
        return self.channel.down or self.transfer is not None or self.reset

    def pause(self, seconds: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Wait until ``done`` or the time is over; False when the application must end.

        Queued commands run inside the wait unless the running one was locked (reference freeswitch 1.4).
        """
        deadline = time.monotonic() + min(seconds, MAX_CALL_S)
        while True:
            if self.interrupted:
                return False
            self.run_commands()
            if self.interrupted:
                return False
            left = deadline - time.monotonic()
            if done() or left <= 0:
                return True
            self.channel.wait(min(left, _LONG_S))

    def pause_once(self, seconds: float) -> None:
        """One wait, woken by anything; queued commands run first."""
        self.run_commands()
        if not self.interrupted:
            self.channel.wait(seconds)

    def run_commands(self) -> None:
        """Run what event sockets queued, unless a locked command is running."""
        while self.commands and not self._locked and not self.channel.down and self._depth < MAX_NESTING:
            command = self.commands.popleft()
            for _ in range(max(1, command.loops)):
                self._run_command(command)
                if self.interrupted:
                    break

    def _run_command(self, command: Command) -> None:
        self._locked += command.lock
        self.channel.set("app_uuid", command.event_id)
        try:
            if command.application == "hangup:":
                self.channel.hang_up(command.data)
            else:
                self.execute(command.application, command.data)
        finally:
            self._locked -= command.lock

    # --- executing ---

    def execute(self, application: str, data: str | None) -> None:
        """Expand the data, run the application, tell of both (switch_core_session_exec)."""
        channel = self.channel
        if channel.down:
            return
        app = self._apps.get(application)
        if app is None:
            # The switch hangs up on an application it does not know [reference freeswitch 1.4].
            channel.hang_up("DESTINATION_OUT_OF_ORDER")
            return
        text = self.expand(data or "")
        event_id = channel.variables.pop("app_uuid", None) or str(uuid.uuid4())
        channel.app_log.append((application, text, now_us()))
        channel.set("current_application", application)
        channel.set("current_application_data", text)
        extra = (("Application", application), ("Application-Data", text), ("Application-UUID", event_id))
        channel.variables.pop("current_application_response", None)
        channel.fire("CHANNEL_EXECUTE", *extra)
        self._depth += 1
        try:
            response = app(self, text)
        finally:
            self._depth -= 1
        if response:
            channel.set("current_application_response", response)
        channel.fire("CHANNEL_EXECUTE_COMPLETE", *extra, ("Application-Response", response or "_none_"))

    def expand(self, text: str) -> str:
        return expand(text, self.channel.get)

    def execute_on(self, prefix: str) -> None:
        """Run every ``execute_on_…`` variable with this prefix, node-wide ones too (switch_channel_execute_on)."""
        found = {**self.core.globals, **self.channel.variables}
        for name, value in found.items():
            if name.startswith(prefix) and value:
                self._execute_text(value)

    def _execute_text(self, text: str) -> None:
        """``app args`` runs now, ``app::args`` is queued."""
        if "::" in text.partition(" ")[0]:
            application, _, data = text.partition("::")
            self.request(Command(application, data))
        else:
            application, _, data = text.partition(" ")
            self.execute(application, data)

    def answer(self) -> None:
        """Answer the caller and run what waits for that."""
        if self.channel.answer():
            self.execute_on("execute_on_answer")

    # --- the life of a call ---

    def run(self) -> None:
        """Route and execute until the call is down. The first profile is there already."""
        channel = self.channel
        channel.state = "CS_ROUTING"
        while not channel.down:
            extension = self._hunt()
            if extension is None:
                channel.hang_up("NO_ROUTE_DESTINATION")
                break
            channel.profile.extension = extension
            channel.state = "CS_EXECUTE"
            self._run_extension(extension)
            if self.transfer is None:
                # "has executed the last dialplan instruction" (switch_core_standard_on_execute)
                channel.hang_up("NORMAL_CLEARING")
                break
            self._take_transfer()

    def run_within(self, wanted: Transfer) -> None:
        """Run another extension's actions inside the running one; a transfer or a hang-up in it ends both."""
        if self._nested >= MAX_NESTING:
            return
        profile = self.channel.profile
        if wanted.dialplan == "inline":
            found: Extension | None = dialplan.inline(wanted.destination)
        else:
            there = replace(profile, destination_number=wanted.destination, context=wanted.context or profile.context)
            found, _ = self.core.dialplan.hunt(there, self.channel.get)
        if found is None:
            return
        if profile.extension is not None:
            profile.extension.children.append((wanted.dialplan, found))
        self._nested += 1
        try:
            self._run_extension(found)
        finally:
            self._nested -= 1

    def _hunt(self) -> Extension | None:
        profile = self.channel.profile
        if profile.dialplan == "inline":
            extension = dialplan.inline(profile.destination_number)
            # The inline dialplan gives the profile its old destination back (inline_dialplan_hunt).
            profile.destination_number, profile.rdnis = profile.rdnis, ""
            return extension
        found, captures = self.core.dialplan.hunt(profile, self.channel.get)
        if captures:
            self.channel.variables.pop("DP_MATCH", None)
            for capture in captures:
                self.channel.push("DP_MATCH", capture)
        return found

    def _run_extension(self, extension: Extension) -> None:
        for index, action in enumerate(extension.actions):
            if self.channel.down or self.transfer is not None:
                return
            self.reset = False
            extension.current = index
            self._run_action(action)

    def _run_action(self, action: Action) -> None:
        self.execute(action.application, action.data)

    def _take_transfer(self) -> None:
        transfer, self.transfer = self.transfer, None
        self.reset = False
        if transfer is None or self.channel.down:
            return
        limit = self.channel.get("max_session_transfers") or ""
        self._transfers += 1
        if self._transfers > (int(limit) if limit.isdigit() else MAX_TRANSFERS):
            self.channel.hang_up("EXCHANGE_ROUTING_ERROR")
            return
        if not flag(self.channel, "limit_ignore_transfer"):
            self.core.limits.release(self.channel.uuid)
            self.channel.set("limit_backend", None)
        self._note_transfer(transfer)

    def _note_transfer(self, transfer: Transfer) -> None:
        channel = self.channel
        old, stamp = channel.profile, now_us()
        old.times.transferred = stamp
        context = transfer.context or old.context
        where = f"{transfer.destination}/{context}/{transfer.dialplan}"
        source = f"{stamp // 1_000_000}:{uuid.uuid4()}:bl_xfer:{where}"
        channel.push("transfer_history", source)
        channel.set("transfer_source", source)
        channel.set("call_uuid", channel.variables.get("call_uuid", channel.uuid))
        limit = channel.get("max_session_transfers") or ""
        if limit.isdigit():
            channel.set("max_session_transfers", str(int(limit) - 1))
            self._transfers = 0
        profile = old.transferred(transfer.destination, transfer.dialplan, context, stamp)
        profile.transfer_source = source
        channel.profiles.insert(0, profile)
        channel.state = "CS_ROUTING"


def read_transfer(text: str) -> Transfer | None:
    """``<destination> [<dialplan> [<context>]]``, spaces inside a piece as ``\\s``; None without a destination."""
    pieces = separate(text, " ", 4)
    if not pieces:
        return None
    return Transfer(pieces[0], pieces[1] if len(pieces) > 1 else "XML", pieces[2] if len(pieces) > 2 else "")


def flag(channel: Channel, name: str) -> bool:
    """A channel variable as yes or no."""
    return truth(channel.get(name))
