"""Records a real switch: what the suite compares both switches with, and test data for codec and interpreter.

    cd tests && FREESWITCH_BIN=/usr/bin/freeswitch python -m contract.capture [CASE…]

With names of cases it adds or replaces what is kept of these, and adds to `headers.json` and `differences.json` what is
new by them. Without any it plays every case on the real switch and on the embedded node and writes tests/data/contract/
anew: `expected/` (the records' facts of every case), `captures/` (bytes of selected calls), `headers.json` (every name
that the real switch wrote) and `differences.json` (what the embedded node lacks of them, and adds). Read the diff
before you commit it: what it changes in `expected/` is what the platform will be tested against. Hosts, addresses and
paths of the machine are replaced on the way.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from dialtrace.freeswitch_launch import configuration_folder  # noqa: E402

from .captured import CAPTURED, WITH_EVENTS  # noqa: E402
from .case import CASES  # noqa: E402
from .frames import split_frames  # noqa: E402
from .headers import difference, union  # noqa: E402
from .rehearsal import rehearse  # noqa: E402
from .switches import freeswitch_binary  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "contract"


def main(names: list[str]) -> None:
    """Refuses to write anything when a case did not go as it should."""
    if freeswitch_binary() is None:
        sys.exit("no FreeSWITCH here: set FREESWITCH_BIN, or put freeswitch on PATH")
    if unknown := set(names) - set(CASES):
        sys.exit(f"there is no such case: {', '.join(sorted(unknown))}")
    played = names or list(CASES)
    with tempfile.TemporaryDirectory(prefix="dialtrace-capture-") as folder:
        keep = Path(folder)
        real = rehearse("freeswitch", played, keep)["results"]
        ours = rehearse("embedded", played, None)["results"]
        faults = [f"{name} ({one[name]['fault']})" for name in played for one in (real, ours) if one[name]["fault"]]
        faults += [name for name in played if real[name]["seen"] != CASES[name].sees]
        if faults:
            sys.exit(f"nothing was written, for these cases did not go as they should: {', '.join(faults)}")
        if not names:
            shutil.rmtree(DATA / "expected", ignore_errors=True)
            shutil.rmtree(DATA / "captures", ignore_errors=True)
            _write_headers(real, ours)
        else:
            _add_headers(real, ours)
        for name in played:
            _write_json(DATA / "expected" / f"{name}.json", real[name]["records"])
        _write_captures(keep, [name for name in CAPTURED if name in played], login=not names)


def _write_headers(real: dict[str, Any], ours: dict[str, Any]) -> None:
    switch, node = (union(one["headers"] for one in results.values()) for results in (real, ours))
    _write_json(DATA / "headers.json", switch)
    _write_json(DATA / "differences.json", difference(switch, node))


def _add_headers(real: dict[str, Any], ours: dict[str, Any]) -> None:
    switch, node = (union(one["headers"] for one in results.values()) for results in (real, ours))
    known, differences = (json.loads((DATA / f"{name}.json").read_text("utf-8")) for name in ("headers", "differences"))
    for kind, names in switch.items():
        fresh = set(names) - set(known.get(kind, []))
        known[kind] = sorted({*known.get(kind, []), *fresh})
        if lacks := fresh - set(node.get(kind, [])):
            differences[kind]["lacks"] = sorted({*differences[kind]["lacks"], *lacks})
    _write_json(DATA / "headers.json", known)
    _write_json(DATA / "differences.json", differences)


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _write_captures(keep: Path, names: list[str], *, login: bool) -> None:
    clean = Cleaner((keep / "folder").read_text(encoding="utf-8"))
    frames = list(split_frames((keep / "events.raw").read_bytes()))
    for name in names:
        target = DATA / "captures" / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for source in sorted((keep / name).iterdir()):
            (target / source.name).write_bytes(clean.text(source.read_bytes()))
        if name in WITH_EVENTS:
            calls = [path.name.split(".")[0].removeprefix("a_") for path in target.glob("*.cdr.json")]
            (target / "events.raw").write_bytes(b"".join(clean.frames(frames, calls)))
    if login:
        (DATA / "captures" / "login.raw").write_bytes(b"".join(head for head, _ in frames[:3]))


class Cleaner:
    """Takes this machine out of what its switch wrote."""

    def __init__(self, folder: str) -> None:
        self._replaced = [
            (re.compile(rf"{re.escape(folder)}/spool".encode()), b"/var/lib/dialtrace/nodes/node-1"),
            (re.compile(re.escape(folder).encode()), b"/var/lib/freeswitch"),
            (re.compile(re.escape(str(configuration_folder())).encode()), b"/etc/dialtrace/freeswitch"),
            # In JSON, then in a plain reply, whose values are percent-encoded.
            (re.compile(rb'(?<=FreeSWITCH-IPv4":")[^"]*|(?<=FreeSWITCH-IPv4: )\S*'), b"192.0.2.10"),
            (re.compile(rb'(?<=FreeSWITCH-IPv6":")[^"]*'), b"2001:db8::10"),
            (re.compile(rb"(?<=FreeSWITCH-IPv6: )\S*"), b"2001%3Adb8%3A%3A10"),
            (re.compile(rf"(?<![\w.-]){re.escape(socket.gethostname())}(?![\w.-])".encode()), b"switch.example"),
        ]

    def text(self, data: bytes) -> bytes:
        for pattern, replacement in self._replaced:
            data = pattern.sub(replacement, data)
        return data

    def frames(self, frames: list[tuple[bytes, bytes]], calls: list[str]) -> Iterator[bytes]:
        """The frames of these channels, with lengths that fit what is left of them."""
        for head, body in frames:
            if not any(f'"Unique-ID":"{call}"'.encode() in body for call in calls):
                continue
            cleaned = self.text(body)
            length = f"Content-Length: {len(cleaned)}".encode()
            yield re.sub(rb"Content-Length: \d+", length, head) + cleaned


if __name__ == "__main__":
    main(sys.argv[1:])
