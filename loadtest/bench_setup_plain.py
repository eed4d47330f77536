"""The contestants' dialplan: the packaged configuration, copied, with two extensions more in its ``inbound`` context.

``plain`` does without a worker what our path does with one. It is made from our own two parts, so that the work is the
same by construction: the packaged extension for numbers, less the lines that ask a worker and guard that question, and
then the actions of the very plan that a worker makes for the number. ``stock`` asks a stock greenswitch server instead
of ours. The packaged files are never touched; knows no process.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from dialtrace.calls.plan import CALL_MARK
from dialtrace.errors import DialtraceError

_CONTEXT = '<context name="inbound">\n'
_EXTENSION = re.compile(r'^ *<extension name="number">\n.*?</extension>\n', re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r'expression="\^\\\+\?\(\[1-9\]\[0-9\]\{4,14\}\)\$"')
#: With these our dialplan asks a worker and does what it says; what stands in between and is no such question is kept.
_ASKS = re.compile(r'application="(?:socket|sched_transfer|sched_cancel)"|data="\$\{dialtrace_plan\} inline"')
#: What must have been found, or the packaged dialplan has changed in a way that this file does not know.
_QUESTIONS = 4
#: The variables of the question, set together with others.
_QUESTION = re.compile(r';socket_resume=true;dialtrace_plan=[^;"]*;asks=[^;"]*(?=")')


class DialplanUnknown(DialtraceError):
    """The packaged dialplan does not look as this benchmark expects; mend bench_setup_plain.py."""


@dataclass(frozen=True)
class PlanAction:
    """One application of a plan and its argument."""

    application: str
    data: str


def plan_actions(plan: str) -> list[PlanAction]:
    """The actions of a plan as ``dialtrace.calls.plan`` writes it (``m:~:app:data~…``, a space as ``\\s``)."""
    if not plan.startswith("m:~:"):
        raise DialplanUnknown(f"{DialplanUnknown.__doc__} (a plan begins with {plan[:10]!r})")
    parted = [piece.partition(":") for piece in plan.removeprefix("m:~:").split("~")]
    return [PlanAction(application, data.replace(r"\s", " ")) for application, _, data in parted]


def with_contestants(
    dialplan: str, *, plain: str, stock: str, stock_address: str, actions: Sequence[PlanAction]
) -> str:
    """``inbound.xml`` with the two extensions; ``plain`` and ``stock`` are the digits. Raises DialplanUnknown."""
    found = _EXTENSION.search(dialplan)
    if found is None or dialplan.count(_CONTEXT) != 1:
        raise DialplanUnknown(f"{DialplanUnknown.__doc__} (inbound.xml)")
    lines = [_action(one.application, one.data.replace(CALL_MARK, "${uuid}")) for one in actions]
    ask = [_action("socket", f"{stock_address} async full")]
    more = _extension(found[0], "bench-plain", plain, lines) + _extension(found[0], "bench-stock", stock, ask)
    return dialplan.replace(_CONTEXT, _CONTEXT + more)


def _extension(packaged: str, name: str, digits: str, actions: Sequence[str]) -> str:
    text, numbers = _NUMBER.subn(rf'expression="^\+?({digits})$"', packaged)
    text, asked = _QUESTION.subn("", text)
    lines = text.splitlines()
    kept = [line for line in lines if not _ASKS.search(line)]
    if (numbers, asked) != (1, 1) or len(lines) - len(kept) != _QUESTIONS:
        raise DialplanUnknown(f"{DialplanUnknown.__doc__} (the extension for numbers)")
    end = next(index for index in reversed(range(len(kept))) if "</condition>" in kept[index])
    kept[end:end] = actions
    return "\n".join(kept).replace('name="number"', f'name="{name}"') + "\n"


def _action(application: str, data: str) -> str:
    return f"        <action application={quoteattr(application)} data={quoteattr(data)}/>"


def write_overlay(packaged: Path, folder: Path, dialplan: str) -> Path:
    """A copy of the configuration with another ``inbound.xml``; returns that file's path."""
    shutil.copytree(packaged, folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "dialplan" / "inbound.xml"
    path.write_text(dialplan, encoding="utf-8")
    return path
