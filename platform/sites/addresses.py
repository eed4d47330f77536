"""Web addresses as the classifier and the rules read them: parameters, hosts, patterns of paths. Pure, and at ease with
whatever a browser sends: an address that cannot be read has no parameters and no host.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit

LONGEST_ADDRESS = 4000
LONGEST_VALUE = 300
_MOST_PARAMETERS = 200
_WEB = frozenset({"http", "https", "android-app"})
#: What an advertising system leaves when it has not filled in its own placeholder.
_PLACEHOLDER = re.compile(r"\{+[^{}]*\}+|%7b.*%7d", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True)
class Address:
    """A web address that was read. ``parameters`` by names in small letters, the first of a name counts; ``host`` in
    small letters, without port; empty where there is none."""

    scheme: str
    host: str
    path: str
    parameters: Mapping[str, str]


NO_ADDRESS = Address("", "", "", {})


@lru_cache(maxsize=1024)
def read_address(text: str | None) -> Address:
    """``text`` as a browser gives it. Parameters of a fragment that looks like a route (`#/a?b=c`) count too. Kept for
    a while: a few pages refer most visitors, and what one request says is read more than once."""
    if not text or len(text) > LONGEST_ADDRESS or not text.isprintable():
        return NO_ADDRESS
    try:
        parts = urlsplit(text.strip())
        host = (parts.hostname or "").rstrip(".").lower()
        pairs = _pairs(parts.query) + _pairs(parts.fragment.partition("?")[2])
    except ValueError:
        return NO_ADDRESS
    if parts.scheme not in _WEB or not host:
        return NO_ADDRESS
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name.strip().lower(), value)
    return Address(parts.scheme, host, parts.path or "/", found)


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS) if query else []


def cleaned(value: str | None) -> str | None:
    """A parameter's value as it is kept: one line, bounded; None where it says nothing."""
    if value is None:
        return None
    text = _CONTROL.sub(" ", value).strip()[:LONGEST_VALUE]
    return None if not text or _PLACEHOLDER.fullmatch(text) else text


def kept_address(address: Address, parameters: Collection[str]) -> Address:
    """The address with these of its parameters only: others may tell who somebody is, and say nothing of a source."""
    kept = {name: value[:LONGEST_VALUE] for name, value in address.parameters.items() if name in parameters}
    return Address(address.scheme, address.host, address.path[:1000], kept)


def written(address: Address) -> str:
    """As `read_address` reads it back; empty where there is none."""
    if not address.host:
        return ""
    query = "?" + urlencode(address.parameters) if address.parameters else ""
    return f"{address.scheme}://{address.host}{address.path}{query}"


def is_below(host: str, domain: str) -> bool:
    """Whether ``host`` is ``domain`` or lies below it, label by label."""
    return host == domain or host.endswith("." + domain)


def without_www(host: str) -> str:
    return host.removeprefix("www.")


def is_host(text: str) -> bool:
    """Whether this is a host name, or `localhost`, in small letters and ASCII."""
    labels = text.split(".")
    return len(text) <= 253 and all(LABEL.fullmatch(label) for label in labels)


def path_pattern(pattern: str) -> str:
    """A pattern of paths (`/news/*`; `*` stands for anything) as a regular expression that Python and JavaScript read
    alike; it fits whole paths."""
    return "^" + ".*".join(_escape(part) for part in pattern.split("*")) + "$"


def _escape(text: str) -> str:
    return re.sub(r"([\\^$.|?+()\[\]{}/-])", r"\\\1", text)
