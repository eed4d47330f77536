"""`dialtrace loadtest`: simulated SIP traffic by a profile, and its report."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from .config import load_settings
from .logs import configure_logs


@click.group("loadtest")
def loadtest_group() -> None:
    """Load a platform with simulated calls, and measure what comes of them (docs/howto/load-testing.md)."""


def _profile_text(named: str) -> tuple[str, str]:
    """A file, or the name of a packaged profile; its text and how it is called."""
    path = Path(named)
    if path.exists():
        return path.read_text(encoding="utf-8"), str(path)
    packaged = files("dialtrace.loadtest").joinpath("profiles", f"{named}.toml")
    if "/" not in named and packaged.is_file():
        return packaged.read_text(encoding="utf-8"), f"{named} (packaged)"
    raise click.UsageError(
        f"{named}: there is no such file and no packaged profile of that name; `dialtrace loadtest list`"
    )


@loadtest_group.command("list")
def list_profiles() -> None:
    """The packaged profiles."""
    from .loadruns.profile import Profile

    for one in sorted(files("dialtrace.loadtest").joinpath("profiles").iterdir(), key=lambda path: path.name):
        if one.name.endswith(".toml"):
            profile = Profile.read(one.read_text(encoding="utf-8"), one.name)
            click.echo(f"{profile.name:<12} {profile.about}")


@loadtest_group.command("check")
@click.argument("profile")
def check_profile(profile: str) -> None:
    """Read PROFILE and say what it would do; nothing is sent."""
    from .loadruns.plan import plan_calls
    from .loadruns.profile import Profile

    text, name = _profile_text(profile)
    read = Profile.read(text, name)
    plan = plan_calls(read)
    click.echo(f"{name}: {len(plan)} calls in {plan[-1].at_s:.0f} s" if plan else f"{name}: no call at all")
    for kind in read.calls:
        status, outcome = read.expected(kind)
        count = sum(call.kind == kind.name for call in plan)
        click.echo(f"  {kind.name:<20} {count:6} calls, each must get {status}, its record must say {outcome}")


@loadtest_group.command("run")
@click.argument("profile")
@click.option(
    "--allow",
    multiple=True,
    envvar="DIALTRACE_LOADTEST_ALLOW",
    metavar="NETWORK",
    help="May be loaded beside this machine: an IPv4 address or network. May be repeated.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.json and report.html.")
@click.option("--against", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of an earlier run.")
@click.option("--cps", type=click.FloatRange(0.01, 2000), help="Scale the curve to this highest rate.")
@click.option("--switch", type=click.Choice(["embedded", "freeswitch"]), help="Instead of the profile's system.switch.")
def run_loadtest(
    profile: str, allow: tuple[str, ...], report: Path | None, against: Path | None, cps: float | None,
    switch: str | None,
) -> None:  # fmt: skip
    """Run PROFILE (a TOML file, or the name of a packaged one) and report. Exit status: 0 if every limit was kept, 1 if
    one was not, 2 if it could not be run."""
    from .errors import DialtraceError
    from .loadruns.compare import compare, read_report
    from .loadruns.page import page_of
    from .loadruns.words import told

    configure_logs(level="warning", process="loadtest")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        before = read_report(against) if against else None
        found = _run(profile, allow, cps=cps, switch=switch)
    except DialtraceError as error:
        click.echo(f"dialtrace: {error}", err=True)
        sys.exit(2)
    rows = compare(before, found) if before else []
    for line in told(found, rows):
        click.echo(line)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (report / "report.html").write_text(page_of(found, rows), encoding="utf-8")
        click.echo(f"report: {report / 'report.html'}")
    sys.exit(0 if found["kept"] else 1)


def _run(named: str, allow: tuple[str, ...], *, cps: float | None, switch: str | None) -> dict[str, Any]:
    from .loadruns.allow import AllowList
    from .loadruns.profile import Profile
    from .loadruns.run import run_profile
    from .loadruns.system import running_system

    text, name = _profile_text(named)
    read = Profile.read(text, name)
    if switch is not None:
        read = read.model_copy(update={"system": read.system.model_copy(update={"switch": switch})})
    if cps is not None:
        read = read.at_most(cps)
    key = load_settings()["DIALTRACE_API_KEY"] or ""
    return run_profile(read, AllowList.of(allow), key=key, open_system=running_system, say=_say())


def _say() -> Callable[[str], None]:
    """Progress on standard error: what is new, no more than once in two seconds for what only counts on."""
    last, last_s = "", 0.0

    def say(text: str) -> None:
        nonlocal last, last_s
        counting = " calls sent, " in text
        if text != last and (not counting or time.monotonic() - last_s > 2):
            click.echo(text, err=True)
            last, last_s = text, time.monotonic()

    return say
