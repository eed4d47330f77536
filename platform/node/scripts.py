"""Runs the dialplan's Lua scripts in a sandbox: what ``dialtrace_fallback.lua`` needs and nothing else.

A script sees ``session`` (getVariable, setVariable), ``freeswitch`` (getGlobalVariable, consoleLog), the pure parts of
Lua, ``os.time``, ``os.date`` and ``io.open`` for reading below the spool. It is stopped after too many instructions,
since it runs in the node's only hub.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import lupa

from .errors import ScriptFailed

if TYPE_CHECKING:
    from .channel import Channel

log = logging.getLogger(__name__)
MAX_INSTRUCTIONS = 5_000_000

_SANDBOX = """
local set_hook, load, open, time, date = debug.sethook, load, io.open, os.time, os.date
local tostring, sub, error, pcall = tostring, string.sub, error, pcall
return function(source, name, calls, spool, limit)
  local function guarded_open(path, mode)
    path = tostring(path)
    if (mode or "r") ~= "r" or sub(path, 1, #spool + 1) ~= spool .. "/" or path:find("..", 1, true) then return nil end
    return open(path, "r")
  end
  local session = {}
  function session:getVariable(key) return calls.get(tostring(key)) end
  function session:setVariable(key, value) calls.set(tostring(key), value ~= nil and tostring(value) or "") end
  local env = {
    session = session, io = {open = guarded_open}, os = {time = time, date = date},
    freeswitch = {getGlobalVariable = function(key) return calls.global(tostring(key)) end,
                  consoleLog = function(level, text) calls.log(tostring(level), tostring(text)) end},
    string = string, table = table, math = math, tonumber = tonumber, tostring = tostring, type = type,
    pairs = pairs, ipairs = ipairs, next = next, select = select, error = error, pcall = pcall,
  }
  local chunk, fault = load(source, name, "t", env)
  if not chunk then return fault end
  set_hook(function() error("ran too long", 0) end, "", limit)
  local ok, why = pcall(chunk)
  set_hook()
  if not ok then return tostring(why) end
  return nil
end
"""


class Variables(Protocol):
    """What a script may touch of a call."""

    def get(self, name: str) -> str | None: ...

    def set(self, name: str, value: str | None) -> None: ...


class _Calls:
    """The few functions a script reaches Python by."""

    def __init__(self, channel: Variables, globals_: Mapping[str, str]) -> None:
        self._channel = channel
        self._globals = globals_

    def get(self, name: str) -> str | None:
        return self._channel.get(name)

    def set(self, name: str, value: str) -> None:
        self._channel.set(name, value)

    def global_(self, name: str) -> str | None:
        return self._globals.get(name)

    def log(self, level: str, text: str) -> None:
        log.info("script (%s): %s", level, text.strip())


class Scripts:
    """The scripts of one folder."""

    def __init__(self, folder: Path, spool: Path, globals_: Mapping[str, str]) -> None:
        self._folder = folder
        self._spool = spool
        self._globals = globals_
        runtime = lupa.LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
        self._runtime = runtime
        self._run = runtime.execute(_SANDBOX)

    def run(self, name: str, channel: Channel | Variables) -> None:
        """Run one script for a call. Raises :class:`ScriptFailed`; what it had set before stays set."""
        path = self._folder / name
        if "/" in name or not path.is_file():
            raise ScriptFailed(f"no script {name!r} in {self._folder}")
        calls = _Calls(channel, self._globals)
        table: Any = self._runtime.table_from(
            {"get": calls.get, "set": calls.set, "global": calls.global_, "log": calls.log}
        )
        source = path.read_text(encoding="utf-8")
        fault = self._run(source, f"={name}", table, str(self._spool), MAX_INSTRUCTIONS)
        if fault is not None:
            raise ScriptFailed(f"{name}: {fault}")
