"""A report in a few lines for a terminal, and how numbers are written. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def number(value: float | None) -> str:
    """As people read it."""
    if value is None:
        return "–"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def share(value: float | None) -> str:
    """In per cent."""
    return "–" if value is None else f"{value:.2%}"


def told(report: Mapping[str, Any], compared: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Line by line."""
    if "search" in report:
        search = report["search"]
        yield f"highest rate that held: {number(search['held_cps'])}/s (did not hold: {number(search['failed_cps'])}/s)"
        if len(search["found_cps"]) > 1:
            each = ", ".join(map(number, search["found_cps"]))
            yield f"found in each search: {each}; at most {share(search['apart'])} from the median"
    else:
        yield from _curve(report)
    for one in report["verdicts"]:
        kept = "kept" if one["kept"] else "MISSED"
        yield f"{one['what']}: {number(one['found'])} {one['unit']} (at most {number(one['limit'])}): {kept}"
    for row in compared:
        yield f"against the earlier run: {row['what']}: {number(row['before'])} → {number(row['now'])} {row['change']}"


def _curve(report: Mapping[str, Any]) -> Iterator[str]:
    calls, setup, sound = report["signalling"], report["signalling"]["setup_ms"], report["sound"]
    yield (
        f"{calls['asked']} calls asked, {calls['sent']} sent, {calls['failed']} failed; ASR {share(calls['asr'])}, "
        f"NER {share(calls['ner'])}"
    )
    if setup["count"]:
        said = ", ".join(f"{name} {setup[name]:.0f}" for name in ("p50", "p99", "max"))
        yield f"set-up from the planned moment: {said} ms"
    for side in ("callers", "targets"):
        one = sound[side]
        yield (
            f"RTP heard by {side}: {one['received']} of {one['expected']} packets, {share(one['lost_share'])} lost, "
            f"jitter p99 {number(one['jitter_ms'].get('p99'))} ms"
        )
    for one in report["soak"]:
        if not one["flat"]:
            grown = f"{number(one['median'])}, {number(one['per_hour'])} more an hour"
            yield f"GROWS: {one['kind']} {one['measure']}: {grown}"
    if report["stopped"]:
        yield f"ENDED BEFORE ITS TIME: {report['stopped']}"
    for line in (*report["books"]["lines"], *report["books"]["against_sipp"]):
        mark = "" if line["balances"] else "   DOES NOT BALANCE"
        yield f"  {line['what']}: {line['expected']} / {line['found']}{mark}"
    yield from (f"    {one}" for one in report["books"]["differs"])
