"""Writes docs/contract.md from the list of cases and the known differences: `cd tests && python -m contract.listing`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import (
    cases_calls,
    cases_flows,
    cases_kept,
    cases_limits,
    cases_pieces,
    cases_records,
    cases_trunks,
    cases_waits,
    cases_worker,
)
from .case import CASES, Case

BODIES = (
    cases_calls, cases_pieces, cases_worker, cases_limits, cases_flows, cases_kept, cases_waits, cases_trunks,
    cases_records,
)  # fmt: skip
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contract.md"
DIFFERENCES = ROOT / "tests" / "data" / "contract" / "differences.json"

_HEAD = """\
# The contract suite

Made by `cd tests && python -m contract.listing`; a test keeps it true.

The product runs on FreeSWITCH, the embedded node is a stand-in. `tests/contract/` plays the same SIP calls on both,
under the repository's own dialplan (`freeswitch/dialplan/inbound.xml`), and holds both to the same table: what callers
and targets see and hear, and every field of the interpreted records except times, ids and media statistics. Where they
differed, the real switch was right.

## Running it

```
make test                                                   # the embedded node; FreeSWITCH too if it is on PATH
pytest tests/contract                                       # the suite alone
FREESWITCH_BIN=/usr/bin/freeswitch pytest tests/contract    # a switch that is somewhere else
pytest tests/contract -k "busy and freeswitch"              # one case on one switch
```

Without a FreeSWITCH its half is skipped, with the reason. The suite needs nothing else: it starts each switch as the
platform does (`platform/freeswitch_launch.py`) on loopback with a spool and ports of its own, brings its own telephones
and its own worker, and stops everything afterwards. It uses free ports in 27000-27999, and 34000-37999 for RTP.

All selected cases of one switch are played in one process (`rehearsal.py`): calls that are held for 35 s come first and
stand while everything else is played, so a switch takes about 50 s. A case follows its own call by its UUID, hangs up,
closes its telephones and reads the records before anything is asserted. One that was right but too late is played once
more by itself, and the second time counts: the suite shares its machine. A call that fails is found in
`contract-<kind>.log` in pytest's folder.

To record a real switch anew, a new release for example:

```
cd tests && FREESWITCH_BIN=/usr/bin/freeswitch python -m contract.capture && git diff data/contract
```

That writes `tests/data/contract/`: `expected/` (the table of records), `captures/` (replies to `connect`, event streams
and JSON CDRs as the switch wrote them; machine names, addresses and paths replaced), `headers.json` and
`differences.json`. Codec and interpreter are tested against the captures.

"""

_DIFFERENCES = """\
## Names that differ

The headers of events and replies and the variables of records, over all cases above. Lacks: FreeSWITCH writes them and
the embedded node does not. Adds: the other way round, always a name that FreeSWITCH writes too, in a later event. None
of them is read by the platform. The test `…differs_from_the_switch_only_as_is_known` fails when either list changes.

| where | the embedded node lacks | adds |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    differences = json.loads(DIFFERENCES.read_text(encoding="utf-8"))
    return f"{_HEAD}## The {len(CASES)} cases\n\n{_cases()}{_DIFFERENCES}{_rows(differences)}"


def _cases() -> str:
    groups: dict[str, list[Case]] = {}
    for one in CASES.values():
        groups.setdefault(one.group, []).append(one)
    parts = []
    for group, cases in groups.items():
        rows = "".join(f"| `{one.name}` | {one.proves.replace('|', chr(92) + '|')} |\n" for one in cases)
        parts.append(f"### {group}\n\n| case | proves |\n|---|---|\n{rows}\n")
    return "".join(parts)


def _rows(differences: dict[str, Any]) -> str:
    return "".join(
        f"| {kind} | {_names(one['lacks'])} | {_names(one['adds'])} |\n" for kind, one in differences.items()
    )


def _names(names: list[str]) -> str:
    """What begins alike is told together."""
    other = [name for name in names if name.startswith("Other-Leg-")]
    rest = [f"`{name}`" for name in names if name not in other]
    if len(other) > 3:
        rest.insert(0, f"`Other-Leg-…` ({len(other)})")
    else:
        rest = [f"`{name}`" for name in names]
    return ", ".join(rest) or "–"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
