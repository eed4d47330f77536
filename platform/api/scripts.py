"""Releases of the script that pages load: what each holds, what it is called, and its hash. Read once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"swap-([0-9]+\.[0-9]+\.[0-9]+)\.js")


#: Where the files are (setup.py maps the folder `browser/` there).
PACKAGE = "dialtrace.browser"


@dataclass(frozen=True)
class Release:
    """One release. ``name`` holds its version and the beginning of its hash: the address of what never changes."""

    version: str
    content: bytes
    gzipped: bytes

    @property
    def name(self) -> str:
        return f"{self.version}-{hashlib.sha256(self.content).hexdigest()[:16]}.js"

    @property
    def integrity(self) -> str:
        """For the attribute of that name (Subresource Integrity)."""
        return "sha384-" + base64.b64encode(hashlib.sha384(self.content).digest()).decode()


@cache
def releases() -> dict[str, Release]:
    """Every release by its name, the newest last."""
    found = []
    for file in files(PACKAGE).joinpath("releases").iterdir():
        if match := _NAME.fullmatch(file.name):
            content = file.read_bytes()
            found.append(Release(match[1], content, gzip.compress(content, 9, mtime=0)))
    found.sort(key=lambda one: [int(part) for part in one.version.split(".")])
    return {one.name: one for one in found}


def newest() -> Release:
    """The one that a snippet names that is made now."""
    return next(reversed(releases().values()))
