"""Keeps the gateways of a node's switch in step with the trunks that know us by a password.

The files stand in ``<spool>/gateways`` and are the truth for the switch: it reads them when it starts, with or
without a monitor. What changes while it runs is written first, then told to it. A note beside them says what the
running switch has read, so that a monitor that starts again disturbs nothing. Passwords go nowhere but into these
files, which only their owner can read; no log line and no error shows one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
import structlog

from ..db.errors import DatabaseError
from ..esl.errors import CommandRefused, EslError
from ..metrics import GATEWAY_FAILURES, GATEWAYS
from ..secrets_box.errors import SecretsBoxError
from ..trunks.gateways import Gateway, gateway_file

log = structlog.get_logger("monitor")

FOLLOW_EVERY_S = 2.0
_NOTE = ".told"

Api = Callable[..., str]


class GatewayFiles:
    """``<spool>/gateways``. Raises OSError."""

    def __init__(self, spool: Path) -> None:
        self._folder = spool / "gateways"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    def put(self, gateway: Gateway) -> None:
        """Writes one file, whole or not at all, if it differs."""
        path, text = self._folder / f"{gateway.name}.xml", gateway_file(gateway)
        if path.exists() and path.read_text(encoding="ascii") == text:
            return
        self._write(path, text)

    def remove_others(self, names: Sequence[str]) -> None:
        for path in self._folder.glob("*.xml"):
            if path.stem not in names:
                path.unlink(missing_ok=True)

    def told(self, core_uuid: str) -> dict[str, str]:
        """What the switch of this run has read, by name; nothing where that is not known."""
        try:
            note = json.loads((self._folder / _NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return dict(note["gateways"]) if note.get("core_uuid") == core_uuid else {}

    def note(self, core_uuid: str, told: Mapping[str, str]) -> None:
        self._write(self._folder / _NOTE, json.dumps({"core_uuid": core_uuid, "gateways": dict(told)}))

    def _write(self, path: Path, text: str) -> None:
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        fresh.replace(path)


class GatewayKeeper:
    """Follows the trunks and keeps one node's gateways."""

    def __init__(
        self,
        *,
        node: str,
        spool: Path,
        find_gateways: Callable[[], Sequence[Gateway]],
        api: Api,
        core_uuid: Callable[[], str | None],
    ) -> None:
        self._node = node
        self._files = GatewayFiles(spool)
        self._find_gateways = find_gateways
        self._api = api
        self._core_uuid = core_uuid
        self._failing = False
        # Prometheus sees a rise only from what was there before.
        GATEWAY_FAILURES.labels(node)

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.keep()
            gevent.sleep(FOLLOW_EVERY_S)

    def keep(self) -> None:
        """One look. What the switch could not be told is told at the next one; without a database nothing changes."""
        try:
            gateways = self._find_gateways()
            for gateway in gateways:
                self._files.put(gateway)
            self._files.remove_others([gateway.name for gateway in gateways])
            core_uuid = self._core_uuid()
            if core_uuid is not None:
                self._tell(core_uuid, {gateway.name: gateway.digest for gateway in gateways})
        except (DatabaseError, EslError, OSError, SecretsBoxError) as fault:
            self._failed(fault)
            return
        GATEWAYS.labels(self._node).set(len(gateways))
        self._failing = False

    def _tell(self, core_uuid: str, wanted: Mapping[str, str]) -> None:
        """Takes off what has changed or gone and has the rest read: a gateway that the switch knows it does not read
        again (sofia.c, parse_gateways). Calls that stand keep what they need."""
        told = self._files.told(core_uuid)
        if told == wanted:
            return
        self._api("reloadxml")
        for name in sorted({*told, *wanted}):
            if told.get(name) != wanted.get(name):
                self._take_off(name)
        self._api("sofia", "profile", "external", "rescan")
        self._files.note(core_uuid, wanted)
        log.info("gateways told to the switch", node=self._node, gateways=sorted(wanted))

    def _take_off(self, name: str) -> None:
        try:
            self._api("sofia", "profile", "external", "killgw", name)
        except CommandRefused:
            log.debug("the switch does not know that gateway", node=self._node, gateway=name)

    def _failed(self, fault: Any) -> None:
        GATEWAY_FAILURES.labels(self._node).inc()
        if not self._failing:
            log.warning("gateways are not kept in step", node=self._node, fault=str(fault) or type(fault).__name__)
        self._failing = True
