"""Session descriptions: read an offer or an answer, write our own. Pure; G.711 and telephone-event only."""

from __future__ import annotations

from dataclasses import dataclass

from .audio import CODECS, Codec
from .errors import BadSessionDescription, NoCommonCodec

DEFAULT_EVENT_TYPE = 101


@dataclass(frozen=True, slots=True)
class Media:
    """What a peer told of its audio: where it listens, which codecs (its order), its telephone-event type."""

    host: str
    port: int
    codecs: tuple[Codec, ...]
    event_type: int | None

    def codec(self, wanted: Codec | None = None) -> Codec:
        """The codec to use: the wanted one if it is offered, else the peer's first; raises NoCommonCodec."""
        if wanted is not None and wanted in self.codecs:
            return wanted
        if not self.codecs or wanted is not None:
            raise NoCommonCodec
        return self.codecs[0]


def read(text: str) -> Media:
    """The first audio stream of a description; raises :class:`BadSessionDescription`."""
    host, port = "", 0
    types: list[int] = []
    in_audio = before_media = True
    names: dict[int, str] = {}
    for line in text.replace("\r", "").split("\n"):
        key, value = line[:2], line[2:].strip()
        if key == "m=":
            parts = value.split()
            in_audio = parts[:1] == ["audio"] and not types
            before_media = False
            if in_audio and len(parts) > 3:
                port = _number(parts[1].partition("/")[0])
                types = [_number(part) for part in parts[3:] if part.isdigit()]
        elif key == "c=" and (before_media or in_audio):
            host = value.split()[-1].partition("/")[0]
        elif key == "a=" and in_audio and value.startswith("rtpmap:"):
            number, _, name = value.removeprefix("rtpmap:").partition(" ")
            names[_number(number)] = name.partition("/")[0].lower()
    if not types or not host or not 0 <= port < 65536:
        raise BadSessionDescription(f"no audio stream with an address: {text!r:.120}")
    event_type = next((number for number in types if names.get(number) == "telephone-event"), None)
    codecs = tuple(CODECS[number] for number in types if number in CODECS)
    return Media(host, port, codecs, event_type)


def is_hold(text: str) -> bool:
    """Whether a peer says that it will not listen for a while (RFC 3264, 8.4; the address 0.0.0.0 is the old way)."""
    lines = [line.strip() for line in text.split("\n")]
    return any(line in ("a=sendonly", "a=inactive") or line.startswith("c=IN IP4 0.0.0.0") for line in lines)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise BadSessionDescription(f"{text!r:.20} is no number")
    return int(text)


def write(host: str, port: int, codecs: tuple[Codec, ...], event_type: int | None, session: int, owner: str) -> str:
    """A description with one audio stream, 20 ms packets, sending and receiving."""
    types = [str(codec.payload_type) for codec in codecs]
    lines = ["v=0", f"o={owner} {session} {session} IN IP4 {host}", f"s={owner}", f"c=IN IP4 {host}", "t=0 0"]
    if event_type is not None:
        types.append(str(event_type))
    lines.append(f"m=audio {port} RTP/AVP {' '.join(types)}")
    lines += [f"a=rtpmap:{codec.payload_type} {codec.name}/8000" for codec in codecs]
    if event_type is not None:
        lines += [f"a=rtpmap:{event_type} telephone-event/8000", f"a=fmtp:{event_type} 0-15"]
    return "\r\n".join([*lines, "a=ptime:20", "a=sendrecv", ""])
