"""The list of sources (sources.toml) as values: who refers, what click ids and the words of UTM mean. Read once.

Must not know any visit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from .errors import SourceDataBroken

#: Kind of a source → channel of a visit that it refers without saying more.
CHANNEL_OF_KIND = {
    "search": "organic_search", "social": "social", "video": "video", "messenger": "messenger", "email": "email",
    "maps": "maps", "marketplace": "marketplace", "assistant": "assistant", "display": "display",
}  # fmt: skip
#: Kind of a source → medium of such a visit.
MEDIUM_OF_KIND = {**{kind: kind for kind in CHANNEL_OF_KIND}, "search": "organic"}


@dataclass(frozen=True)
class ClickId:
    """A parameter that a system adds by itself. ``weak``: the click need not have been paid."""

    parameter: str
    source: str
    medium: str
    channel: str
    weak: bool = False


@dataclass(frozen=True)
class Referrer:
    """Somebody who refers."""

    source: str
    kind: str


@dataclass(frozen=True)
class SourceBook:
    """All that is known of sources. ``hosts``: host → who it is and whatever lies below, the longest that fits counts;
    ``alone``: host → who it is, without what lies below."""

    channels: tuple[str, ...]
    click_ids: tuple[ClickId, ...]
    media: Mapping[str, str]
    aliases: Mapping[str, str]
    kinds: Mapping[str, str]
    hosts: Mapping[str, Referrer]
    alone: Mapping[str, Referrer]
    keyword_parameters: tuple[str, ...]
    kept_parameters: frozenset[str]

    def referrer(self, host: str) -> Referrer | None:
        """Who ``host`` is: its own entry, or that of the domain that it lies below."""
        if found := self.alone.get(host):
            return found
        labels = host.split(".")
        for start in range(len(labels)):
            if found := self.hosts.get(".".join(labels[start:])):
                return found
        return None


@cache
def source_book() -> SourceBook:
    """The list that came with this release. Raises SourceDataBroken."""
    text = files("dialtrace.sites").joinpath("sources.toml").read_text(encoding="utf-8")
    return make_book(tomllib.loads(text))


def make_book(data: Mapping[str, Any]) -> SourceBook:
    """Checks the list as it builds it. Raises SourceDataBroken."""
    channels = tuple(data["channels"])
    click_ids = tuple(ClickId(**{**one, "parameter": one["parameter"].lower()}) for one in data["click_ids"])
    media: dict[str, str] = {}
    for channel, words in data["media"].items():
        for word in words:
            if word in media:
                raise SourceDataBroken(f"utm_medium {word!r} stands under {media[word]} and {channel}")
            media[word] = channel
    used = {one.channel for one in click_ids} | set(media.values())
    if unknown := used - set(channels):
        raise SourceDataBroken(f"channels that are not listed: {', '.join(sorted(unknown))}")
    hosts, alone, kinds = _read_sources(data["sources"])
    return SourceBook(
        channels=channels,
        click_ids=click_ids,
        media=media,
        aliases=data["aliases"],
        kinds=kinds,
        hosts=hosts,
        alone=alone,
        keyword_parameters=tuple(data["search"]["keyword_parameters"]),
        kept_parameters=frozenset(data["landing"]["kept"]) | {one.parameter for one in click_ids},
    )


Hosts = dict[str, Referrer]


def _read_sources(entries: list[dict[str, Any]]) -> tuple[Hosts, Hosts, dict[str, str]]:
    hosts: Hosts = {}
    alone: Hosts = {}
    kinds: dict[str, str] = {}
    for entry in entries:
        who = Referrer(entry["source"], entry["kind"])
        if who.kind not in CHANNEL_OF_KIND:
            raise SourceDataBroken(f"{who.source} is of the kind {who.kind}, which is not known")
        kinds[who.source] = who.kind
        for host in (*entry.get("hosts", ()), *(f"{entry['name']}.{end}" for end in entry.get("suffixes", ()))):
            is_alone = entry.get("alone", False)
            for one in (host, f"www.{host}", f"m.{host}") if is_alone else (host,):
                if other := hosts.get(one) or alone.get(one):
                    raise SourceDataBroken(f"{one} stands under {other.source} and {who.source}")
                (alone if is_alone else hosts)[one] = who
    return hosts, alone, kinds
