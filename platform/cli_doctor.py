"""`dialtrace doctor`: looks over this installation and says how to mend what is wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict

import click

from .config import Settings, load_settings
from .doctor.model import AREAS, Finding, worst

MARKS = {"well": ("ok", "green"), "note": ("note", "yellow"), "unknown": ("????", "magenta"), "fault": ("FAULT", "red")}


def doctor_command(
    begin: Callable[..., Settings], any_database: Callable[[Settings], AbstractContextManager[str]]
) -> click.Command:
    """The command."""

    @click.command("doctor")
    @click.option("--only", "areas", type=click.Choice(AREAS), multiple=True, help="These areas; may be repeated.")
    @click.option("--json", "as_json", is_flag=True, help="One line of JSON for each finding.")
    @click.option("--quiet", is_flag=True, help="Only what is not well.")
    def doctor(areas: tuple[str, ...], as_json: bool, quiet: bool) -> None:
        """Look over this installation: machine, database, nodes, object store, API, numbers. Changes nothing but one
        object that it writes to the store and removes. Exit status 1: there is a fault, or something that could not be
        looked at; 2: the settings are not usable."""
        from .services.doctor import examination

        findings: list[Finding] = []
        with any_database(begin("doctor")) as url:
            os.environ["DIALTRACE_DATABASE_URL"] = url
            for of_area in examination(load_settings(), areas or AREAS):
                findings += of_area
                for finding in of_area:
                    if not quiet or finding.state != "well":
                        _say(finding, as_json=as_json)
        if not as_json:
            _count(findings)
        sys.exit(int(worst(findings) in ("unknown", "fault")))

    return doctor


def _say(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(finding), ensure_ascii=False))
        return
    word, colour = MARKS[finding.state]
    click.echo(f"{click.style(f'{word:<5}', fg=colour)} {finding.area}: {finding.what}: {finding.found}")
    if finding.mend:
        click.echo(f"      → {finding.mend}")


def _count(findings: list[Finding]) -> None:
    counts = {state: sum(finding.state == state for finding in findings) for state in MARKS}
    click.echo(
        f"{counts['well']} well, {counts['note']} to note, {counts['unknown']} not looked at, {counts['fault']} faults"
    )
