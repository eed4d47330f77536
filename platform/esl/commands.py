"""Commands as bytes, built so that nothing in them can end the command and begin another.

Every command goes through ``_block``, which refuses control characters in its line and headers; an application's
argument travels as a counted body and is checked as well. Nothing here sends.
"""

from __future__ import annotations

import re

from .errors import UnsafeValue
from .safe import call_uuid, identifier, plain_text, program_text, refusal

#: More than this in one command is a mistake (the switch stops at 10 MiB of header text).
MAX_COMMAND_BYTES = 1_048_576

#: Applications whose argument the switch interprets, stores to interpret later, or dials.
INTERPRETED = frozenset(
    {
        *("bridge", "bind_meta_app", "execute_extension", "redirect", "sched_transfer", "transfer"),
        *("export", "multiset", "multiunset", "push", "set", "set_global", "set_profile_var", "unset", "unshift"),
    }
)

#: API commands of the same kind.
INTERPRETED_API = frozenset(
    {
        *("bridge", "originate", "sched_transfer", "uuid_broadcast", "uuid_transfer", "sched_api", "eval", "expand"),
        *("global_setvar", "uuid_setvar", "uuid_setvar_multi"),
    }
)

#: Interfaces that run programs on the switch's machine.
_FORBIDDEN = frozenset(("system", "bg_system", "spawn", "bg_spawn", "lua", "luarun", "python", "perl", "java"))

_APPLICATION = re.compile(r"[a-z][a-z0-9_:]{0,63}")
_CAUSE = re.compile(r"[A-Z0-9_]{1,64}")
_EVENT = re.compile(r"[A-Za-z0-9_:.-]{1,128}")
_HEADER = re.compile(r"[A-Za-z0-9_-]{1,128}")


def _block(line: str, headers: tuple[tuple[str, str], ...] = (), body: str = "") -> bytes:
    for text in (line, body, *(part for header in headers for part in header)):
        plain_text(text)
    if not line or line != line.strip():
        raise refusal("a command line", line)
    counted = body.encode("utf-8")
    if body:
        headers = (*headers, ("content-type", "text/plain"), ("content-length", str(len(counted))))
    # No space after the colon: the switch reads a command's lines byte by byte, and lets every other thread run between
    # two of them (mod_event_socket.c, read_packet, switch_os_yield); a body it reads at once. On a busy machine each
    # byte of a line costs a caller up to a millisecond (loadtest/bench_setup.py).
    lines = [line, *(f"{name}:{value}" for name, value in headers)]
    block = "\n".join(lines).encode("utf-8") + b"\n\n" + counted
    if len(block) > MAX_COMMAND_BYTES:
        raise UnsafeValue(f"a command of {len(block)} bytes is over {MAX_COMMAND_BYTES}")
    return block


def _word(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise refusal(what, value)
    return value


def _unexpanded(value: str) -> str:
    """Text in which the switch will find nothing to expand."""
    if "${" in plain_text(value):
        raise refusal("text without an expansion", value)
    return value


def raw_line(line: str) -> bytes:
    """Any one-line command, for what has no builder here; refused if it is not one line."""
    return _block(line)


def auth(password: str) -> bytes:
    """Log in with the socket's password."""
    return _block(f"auth {password}")


def userauth(user: str, domain: str, password: str) -> bytes:
    """Log in as a user of the directory, whose rights the switch limits."""
    return _block(f"userauth {identifier(user)}@{_word(_EVENT, domain, 'a domain')}:{password}")


def connect() -> bytes:
    """Take the call that the switch offers on an outbound socket."""
    return _block("connect")


def getvar(name: str) -> bytes:
    """Ask for a variable of the socket's own call; the reply's text is its value, as it is, empty if there is none."""
    return _block(f"getvar {identifier(name)}")


def execute(
    application: str,
    argument: str = "",
    *,
    event_id: str | None = None,
    lock: bool = True,
    call: str | None = None,
) -> bytes:
    """Run an application on a call (on the socket's own if ``call`` is ``None``).

    ``event_id`` comes back as ``Application-UUID``. ``lock`` keeps the next command waiting until this one is done.
    The argument may hold no control character and no ``${``; where the switch interprets it (``INTERPRETED``) it
    must also pass ``safe.program_text``.
    """
    name = _word(_APPLICATION, application, "an application")
    if name in _FORBIDDEN:
        raise refusal("an application that may be run", name)
    checked = program_text(argument) if name in INTERPRETED else _unexpanded(argument)
    headers = [("call-command", "execute"), ("execute-app-name", name)]
    if event_id is not None:
        headers.append(("event-uuid", identifier(event_id)))
    if lock:
        headers.append(("event-lock", "true"))
    return _block(_sendmsg(call), tuple(headers), checked)


def hangup(cause: str, call: str | None = None) -> bytes:
    """End a call with a cause, for example ``NORMAL_CLEARING``."""
    named = _word(_CAUSE, cause, "a hangup cause")
    return _block(_sendmsg(call), (("call-command", "hangup"), ("hangup-cause", named)))


def _sendmsg(call: str | None) -> str:
    return "sendmsg" if call is None else f"sendmsg {call_uuid(call)}"


def api(name: str, *args: str) -> bytes:
    """Run an API command and wait for its output. Use ``bgapi`` for anything slow."""
    return _block(_api_line("api", name, args))


def bgapi(name: str, *args: str, job_id: str | None = None) -> bytes:
    """Run an API command in the background; its output comes as a BACKGROUND_JOB event with ``job_id``."""
    headers = () if job_id is None else (("Job-UUID", identifier(job_id)),)
    return _block(_api_line("bgapi", name, args), headers)


def _api_line(verb: str, name: str, args: tuple[str, ...]) -> str:
    called = _word(_APPLICATION, name, "an API command")
    if called in _FORBIDDEN:
        raise refusal("an API command that may be run", called)
    checked = program_text if called in INTERPRETED_API else _unexpanded
    for arg in args:
        if not isinstance(arg, str) or not arg or arg != arg.strip():
            raise refusal("an argument", arg)
        checked(arg)
    return " ".join((verb, called, *args))


def events_json(*names: str) -> bytes:
    """Subscribe to events, in JSON. Names after ``CUSTOM`` are subclasses."""
    if not names:
        raise UnsafeValue("a subscription needs the name of an event")
    return _block(" ".join(("event json", *(_word(_EVENT, name, "an event's name") for name in names))))


def myevents_json() -> bytes:
    """Subscribe to the socket's own call, in JSON."""
    return _block("myevents json")


def filter_header(name: str, value: str) -> bytes:
    """Let only events through that have this header (filters are OR'ed; one is enough to hide all others)."""
    return _block(f"filter {_word(_HEADER, name, 'a header')} {plain_text(value)}")


def noevents() -> bytes:
    """Unsubscribe from everything and drop what the switch has queued."""
    return _block("noevents")


def linger(seconds: int) -> bytes:
    """Keep the socket open for up to an hour after the call ends. Without a number it would be for ever."""
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 3600:
        raise refusal("a number of seconds from 1 to 3600", seconds)
    return _block(f"linger {seconds}")


def exit_() -> bytes:
    """Leave: an outbound call goes on in its dialplan, an inbound connection ends."""
    return _block("exit")
