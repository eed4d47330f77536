"""The programs that make another form of a sound: Debian's opus-tools and lame. Both keep the caller on the left and
the target on the right, and run at the lowest priority: calls come first.

What they made is decoded again and measured before anybody relies on it. Must not know where files go.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import NotConverted
from .model import HEAD_BYTES, WavShape, read_wav

#: Longest call that is converted takes a fraction of it.
TIMEOUT_S = 900
#: Encoders add silence of a few frames at either end.
LONGEST_DIFFERENCE_MS = 250
_LOWEST = ("nice", "-n", "19", "ionice", "-c", "3")
#: 48 kbit/s: below some 40 the codec begins to share between the sides what belongs to one.
_ENCODE = {
    "opus": ("opusenc", "--quiet", "--vbr", "--bitrate", "48", "{source}", "{target}"),
    # `-m s`: each side by itself.
    "mp3": ("lame", "--quiet", "-m", "s", "-V", "4", "{source}", "{target}"),
}
_DECODE = {
    "opus": ("opusdec", "--quiet", "--rate", "8000", "{source}", "{target}"),
    "mp3": ("lame", "--quiet", "--decode", "{source}", "{target}"),
}


def encode(source: Path, target: Path, form: str) -> None:
    """Makes ``target`` of a WAV file, and makes sure that it is as long and has as many sides. Raises NotConverted."""
    _run(_ENCODE[form], source, target)
    proof = target.with_suffix(".proof.wav")
    try:
        _run(_DECODE[form], target, proof)
        _compare(_shape_of(source), _shape_of(proof))
    finally:
        proof.unlink(missing_ok=True)


def _compare(before: WavShape, after: WavShape) -> None:
    if before.channels != after.channels:
        raise NotConverted(f"{before.channels} sides became {after.channels}")
    if abs(before.duration_ms - after.duration_ms) > LONGEST_DIFFERENCE_MS:
        raise NotConverted(f"{before.duration_ms} ms became {after.duration_ms}")


def _shape_of(path: Path) -> WavShape:
    with open(path, "rb") as file:
        return read_wav(file.read(HEAD_BYTES), path.stat().st_size)


def _run(words: Sequence[str], source: Path, target: Path) -> None:
    if shutil.which(words[0]) is None:
        raise NotConverted(f"{words[0]} is not installed: apt-get install opus-tools lame")
    filled = [word.format(source=source, target=target) for word in words]
    try:
        ran = subprocess.run([*_LOWEST, *filled], capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotConverted(f"{words[0]} took longer than {TIMEOUT_S} s") from error
    if ran.returncode != 0:
        raise NotConverted(f"{words[0]}: {ran.stderr.decode(errors='replace').strip()[-300:]}")
