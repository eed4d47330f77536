"""The parts of a report's page. Pure: pieces of the document in, HTML out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from .figures import EDGES_MS, PERCENTILES
from .plots import bars, lines
from .words import number, share

_SPREADS = {
    "setup_ms": "set-up: planned moment to 200",
    "setup_sent_ms": "the same from the INVITE",
    "post_dial_delay_ms": "post-dial delay: planned moment to ringing",
    "late_ms": "our generator's own lateness",
}
_PACKETS = ("streams", "deaf", "sent", "dropped", "received", "expected", "lost", "reordered", "duplicates")


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Numbers stand to the right. A cell that is ``(class, text)`` has that class."""
    head = "".join(f"<th>{escape(one)}</th>" for one in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>\n'


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return f'<td class="{value[0]}">{escape(str(value[1]))}</td>'
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    return f'<td class="n">{number(value)}</td>'


def _mark(good: bool, yes: str, no: str) -> tuple[str, str]:
    return ("yes", yes) if good else ("no", no)


def _answers(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in statuses.items())


def verdicts(found: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (one["what"], one["limit"], one["found"], one["unit"], _mark(one["kept"], "kept", "MISSED")) for one in found
    ]
    return f"<h2>Limits</h2>{table(['', 'at most', 'found', '', ''], rows)}" if rows else ""


def compared(rows: Sequence[Mapping[str, Any]]) -> str:
    told = [(row["what"], row["before"], row["now"], row["change"]) for row in rows]
    return f"<h2>Against the earlier run</h2>{table(['', 'before', 'now', 'change'], told)}" if rows else ""


def calls(planned: Mapping[str, int], found: Mapping[str, Any]) -> str:
    late = f"never sent: {found['never_sent']}; begun more than 100 ms late: {share(found['late_share'])}"
    rows = [
        ("planned, with the warm-up", planned["planned"], f"of which warm-up, not judged: {planned['warm_up']}"),
        ("asked", found["asked"], "what the curve asked for after the warm-up"),
        ("sent", found["sent"], late),
        ("as expected", found["good"], f"failed: {found['failed']} ({share(found['failed_share'])})"),
        (
            "answered",
            found["answered"],
            f"ASR {share(found['asr'])}, NER {share(found['ner'])}, ACD {number(found['acd_s'])} s",
        ),
        ("INVITEs sent again", found["repeats"], ""),
    ]
    return f"<h2>Calls</h2>{table(['', '', ''], rows)}<p>Final answers: {escape(_answers(found['statuses']))}.</p>"


def times(found: Mapping[str, Any]) -> str:
    keys = ["count", "min", *(f"p{percent:g}" for percent in PERCENTILES), "max"]
    rows = [(name, *(found[key].get(one) for one in keys)) for key, name in _SPREADS.items()]
    shown = {_SPREADS[key]: found[key].get("buckets", ()) for key in ("setup_ms", "post_dial_delay_ms")}
    said = (
        "<p>Times count from the moment at which the plan wanted the call, not from when it could be sent: a system "
        "that stalls does not hide the calls that waited meanwhile.</p>"
    )
    return f"<h2>Times</h2>{table(['ms', *keys], rows)}{said}{bars(EDGES_MS, shown, x='up to ms', y='% of calls')}"


def seconds(rows: Sequence[Mapping[str, Any]]) -> str:
    def of(key: str) -> list[tuple[float, float]]:
        return [(float(place), float(row[key])) for place, row in enumerate(rows) if row[key] is not None]

    rates = lines({key: of(key) for key in ("planned", "sent", "answered", "failed")}, x="second", y="calls a second")
    slow = lines({"set-up p99 of the calls planned in each second": of("setup_p99_ms")}, x="second", y="ms")
    return f"<h2>Over time</h2>{rates}{slow}{lines({'calls standing': of('standing')}, x='second', y='calls')}"


def kinds(found: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            name, one["asked"], one["expected"], one["good"], one["failed"], one["setup_ms"].get("p50"),
            one["setup_ms"].get("p99"), _answers(one["statuses"]),
        )
        for name, one in found.items()
    ]  # fmt: skip
    heads = ["kind of call", "asked", "must get", "as expected", "failed", "set-up p50 ms", "p99", "got"]
    return f"<h2>Kinds of calls</h2>{table(heads, rows)}"


def sound(found: Mapping[str, Any]) -> str:
    sides = {side: found[side] for side in ("callers", "targets")}
    rows = [
        (
            side, *(one[key] for key in _PACKETS), share(one["lost_share"]), one["jitter_ms"].get("p50"),
            one["jitter_ms"].get("p99"),
        )
        for side, one in sides.items()
    ]  # fmt: skip
    own = "; ".join(
        f"{side} {', '.join(f'{what} {count}' for what, count in one['own'].items())}" for side, one in sides.items()
    )
    said = (
        f"<p>Our own telephones: {escape(own)} (packets sent late; from strangers; streams to addresses that are not "
        "allowed; packets that found no room in our socket, which would be a loss of our own).</p>"
    )
    return f"<h2>Sound</h2>{table(['RTP heard by', *_PACKETS, 'lost', 'jitter p50 ms', 'p99'], rows)}{said}"


def floods(found: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, one in found.items():
        if one["kind"] == "malformed":
            count = sum(one["sent"].values())
            rows.append((name, one["kind"], count, count, _answers(one["answers"]), None, None))
        else:
            answer = one["answer_ms"]
            rows.append(
                (
                    name,
                    one["kind"],
                    one["asked"],
                    one["sent"],
                    _answers(one["statuses"]),
                    answer.get("p50"),
                    answer.get("p99"),
                )
            )
    heads = ["", "what", "asked", "sent", "answers", "p50 ms", "p99"]
    return f"<h2>Beside the calls</h2>{table(heads, rows)}" if rows else ""


def books(found: Mapping[str, Any]) -> str:
    rows = [
        (one["what"], one["expected"], one["found"], _mark(one["balances"], "balances", "DOES NOT BALANCE"))
        for one in (*found["lines"], *found["against_sipp"])
    ]
    differs = "".join(f"<li>{escape(one)}</li>" for one in found["differs"])
    listed = f"<ul>{differs}</ul>" if differs else ""
    return f"<h2>The books</h2>{table(['', 'one side', 'other side', ''], rows)}{listed}"


def soak(found: Sequence[Mapping[str, Any]]) -> str:
    keys = ("median", "per_hour", "at_least_per_hour", "allowed_per_hour", "points")
    rows = [
        (one["kind"], one["measure"], *(one[key] for key in keys), _mark(one["flat"], "flat", "GROWS")) for one in found
    ]
    heads = ["", "of", "median", "added an hour", "with 99 % certainty at least", "allowed", "samples", ""]
    return f"<h2>What may not grow</h2>{table(heads, rows)}" if rows else ""


def processes(machines: Mapping[str, Mapping[str, Any]]) -> str:
    found = []
    for name, one in machines.items():
        rows = [
            (kind, use["processes"], use["processors"], use["memory_bytes"] / 1e6, use["files"])
            for kind, use in one["kinds"].items()
        ]
        series = {
            place: {
                kind: [(row[0], row[place]) for row in told if row[0] >= 0] for kind, told in one["seconds"].items()
            }
            for place in (1, 2)
        }
        machine = one["machine"]
        said = f"{share(machine['busy'])} busy, {share(machine['stolen'])} taken by its host"
        found.append(
            f"<h2>Processes on {escape(name)}</h2><p>The machine: {said}.</p>"
            + table(["", "processes", "processors", "MB of their own at most", "open files at most"], rows)
            + lines(series[1], x="second", y="processors")
            + lines(series[2], x="second", y="MB")
        )
    return "".join(found)


def search(found: Mapping[str, Any]) -> str:
    limits = found["limits"]
    words = [
        f"The highest rate with set-up p99 of at most {number(limits['setup_p99_ms'])} ms and at most "
        f"{share(limits['failed'])} failed: <b>{number(found['held_cps'])}/s</b>; the next that did not hold: "
        f"{number(found['failed_cps'])}/s."
    ]
    if len(found["found_cps"]) > 1:
        each = ", ".join(f"{number(rate)}/s" for rate in found["found_cps"])
        words.append(f"Searched {len(found['found_cps'])} times: {each}, at most {share(found['apart'])} apart.")
    if found["at_ceiling"]:
        words.append("The highest that may be tried held: the limit lies there or above.")
    if found["out_of_time"]:
        words.append("Time was up before the gap was small.")
    rows = [
        (
            step["search"], step["cps"], step["asked"], step["setup_p50_ms"], step["setup_p99_ms"],
            share(step["late_share"]), _mark(not step["fault"], "held", step["fault"]), step.get("excused", ""),
        )
        for step in found["steps"]
    ]  # fmt: skip
    heads = ["search", "calls/s", "calls", "set-up p50 ms", "p99", "late", "", "not counted because"]
    points = sorted((step["cps"], step["setup_p99_ms"]) for step in found["steps"] if step["setup_p99_ms"])
    drawn = lines({"set-up p99 of each step": points}, x="calls a second", y="ms")
    return f"<h2>Search</h2><p>{' '.join(words)}</p>{table(heads, rows)}{drawn}"
