"""What is kept of a visitor: the kind of device, the country, and of the address as little as the site wants. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import cache, lru_cache
from importlib.resources import files
from ipaddress import IPv4Address, IPv6Address, ip_network

from ..addresses import read_ip

_TABLET = re.compile(r"iPad|Tablet|PlayBook|Silk(?!.*Mobile)|Android(?!.*Mobile)", re.IGNORECASE)
_MOBILE = re.compile(r"Mobi|iPhone|iPod|Android|Windows Phone|BlackBerry|Opera Mini", re.IGNORECASE)
_DESKTOP = re.compile(r"Windows NT|Macintosh|X11|CrOS|Linux", re.IGNORECASE)
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
#: Where the first screens with fingers on them call themselves Macintosh.
_FINGERS = 2


@lru_cache(maxsize=4096)
def device_of(user_agent: str, touch_points: int = 0) -> str:
    """`desktop`, `mobile`, `tablet` or `other`. An iPad calls itself a Macintosh, which has no touch screen."""
    if _TABLET.search(user_agent) or ("Macintosh" in user_agent and touch_points >= _FINGERS):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    return "desktop" if _DESKTOP.search(user_agent) else "other"


def region_of(header: str | None, time_zone: str | None) -> str | None:
    """Where the visitor is: a country (`GB`), with its part where the proxy in front tells one (`GB-LND`). What a
    proxy says goes before the browser's time zone, which tells the country only."""
    said = (header or "").strip().upper()
    if _REGION.fullmatch(said) and said not in {"XX", "T1"}:
        return said
    return _countries().get(time_zone or "")


@cache
def _countries() -> dict[str, str]:
    """Time zone → country (zone.tab of the time zone database: one country for each zone), with zones' older names."""
    folder = files("tzdata.zoneinfo")
    found = {}
    for line in folder.joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found[zone] = country
    for line in folder.joinpath("tzdata.zi").read_text(encoding="utf-8").splitlines():
        if line.startswith("L "):
            _, zone, older = line.split()
            if zone in found:
                found.setdefault(older, found[zone])
    return found


def kept_of_address(address: str | None, policy: str, key: bytes) -> tuple[str | None, bytes | None]:
    """The network of an address (``truncated``: 24 or 48 bits of it), or a keyed hash of the whole (``hashed``): it
    tells one visitor from another, and nobody without the key can tell whose it is."""
    if address is None or policy == "none":
        return None, None
    try:
        read = read_ip(address)
    except ValueError:
        return None, None
    if isinstance(read, IPv6Address) and read.ipv4_mapped is not None:
        read = read.ipv4_mapped
    if policy == "hashed":
        return None, hmac.digest(key, read.packed, hashlib.sha256)[:16]
    if isinstance(read, IPv4Address):
        return f"{str(read).rpartition('.')[0]}.0/24", None
    return str(ip_network((read, 48), strict=False)), None
