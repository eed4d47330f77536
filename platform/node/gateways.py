"""The switch's gateways: peers that ask for a password. Read from the same files that a FreeSWITCH includes, at the
start and whenever the event socket says `sofia profile external rescan`; one that is known is not read again until it
was taken off with `killgw` (sofia.c, parse_gateways: "Ignoring duplicate gateway").
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One peer: where it is and what it asks for."""

    name: str
    host: str
    port: int
    username: str
    password: str = field(repr=False)


class Gateways:
    """The gateways of one node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Gateway] = {}
        self.rescan()

    def find(self, name: str) -> Gateway | None:
        return self._known.get(name)

    def kill(self, name: str) -> bool:
        """Whether it was there."""
        return self._known.pop(name, None) is not None

    def rescan(self) -> None:
        """Reads what is new; a file that cannot be read is passed over, as on the switch."""
        for path in sorted(self._folder.glob("*.xml")):
            try:
                found = ElementTree.parse(path).getroot()  # noqa: S314 (written by our own monitor, readable by us only)
                for gateway in found.iter("gateway"):
                    self._known.setdefault(gateway.attrib["name"], _read(gateway))
            except (OSError, ElementTree.ParseError, KeyError, ValueError) as fault:
                log.warning("no gateway in %s: %s", path.name, type(fault).__name__)


def _read(element: ElementTree.Element) -> Gateway:
    told = {one.attrib["name"]: one.attrib["value"] for one in element.iter("param")}
    host, _, port = told["proxy"].partition(":")
    return Gateway(element.attrib["name"], host, int(port) if port else 5060, told["username"], told["password"])
