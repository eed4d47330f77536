"""A report as one HTML page that needs nothing else: no script, no style sheet, no picture from anywhere. Pure: the
document in, the page out. What each part shows is in page_parts.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from . import page_parts as parts
from .words import number, share

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --faint: #8885; --good: #11723b; --bad: #b3261e;
  --c0: #2563a8; --c1: #c2571a; --c2: #2c8a57; --c3: #8a3fa0; --c4: #a08a1f; --c5: #3a9aa8; --c6: #b2416b; --c7: #666; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #161616; --good: #5cc98a; --bad: #ff8a80;
  --c0: #6aa8ee; --c1: #f0965a; --c2: #69c795; --c3: #c98adb; --c4: #d8c35a; --c5: #74cbd8; --c6: #ea86a9; --c7: #aaa; }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 960px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; } th, td { padding: .18rem .7rem .18rem 0; text-align: left;
  border-bottom: 1px solid var(--faint); vertical-align: top; } td.n { text-align: right;
  font-variant-numeric: tabular-nums; }
.yes { color: var(--good); } .no { color: var(--bad); font-weight: 600; }
figure { margin: .6rem 0 1.2rem; } svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 11px; }
.tick { text-anchor: middle; opacity: .8; } .tick.end { text-anchor: end; } .axis { text-anchor: middle; }
.grid { stroke: var(--faint); } polyline { fill: none; stroke-width: 1.6; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 0; padding: 0; }
.legend li::before { content: "■ "; } .none { opacity: .7; } details pre { overflow-x: auto; }
""" + "".join(
    f".s{place} {{ stroke: var(--c{place}); }} .b{place} {{ fill: var(--c{place}); }} "
    f".k{place}::before {{ color: var(--c{place}); }}\n"
    for place in range(8)
)


def page_of(report: Mapping[str, Any], compared: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page. ``compared``: rows of compare.compare, where there is an earlier run."""
    name = escape(report["load_run"])
    body = [_about(report), parts.verdicts(report["verdicts"]), parts.compared(compared)]
    if "search" in report:
        body.append(parts.search(report["search"]))
    else:
        body += [
            parts.calls(report["calls"], report["signalling"]),
            parts.times(report["signalling"]),
            parts.seconds(report["seconds"]),
            parts.kinds(report["kinds"]),
            parts.sound(report["sound"]),
            parts.floods(report["floods"]),
            parts.books(report["books"]),
            parts.soak(report["soak"]),
            parts.processes(report["processes"]),
        ]
    profile = escape(json.dumps(report["profile"], indent=2, ensure_ascii=False))
    body.append(f"<details><summary>The profile</summary><pre>{profile}</pre></details>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>Load run {name}</title><style>{_STYLE}</style>'
        f"</head><body>\n<h1>Load run {name}</h1>\n{''.join(body)}</body></html>\n"
    )


def _about(report: Mapping[str, Any]) -> str:
    system = report["system"]
    versions = ", ".join(f"{name}: {what or 'version unknown'}" for name, what in system["versions"].items())
    words = [
        escape(report["about"]),
        escape(
            f"Begun {report['began_at']}, took {number(report.get('took_s'))} s, on {report['machine']['cores']} "
            f"cores; Dialtrace {report['version']}; "
            f"loaded: {system['kind']} ({versions or ', '.join(system['nodes'])})."
        ),
    ]
    if report.get("stopped"):
        words.append(f'<span class="no">It ended before its time: {escape(report["stopped"])}.</span>')
    if report.get("disturbed", 0) > 0.05:
        words.append(
            f'<span class="no">The machine itself stood still for {share(report["disturbed"])} of the time: '
            "the figures say more of it than of what was loaded.</span>"
        )
    return "".join(f"<p>{one}</p>\n" for one in words if one)
