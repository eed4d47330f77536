"""Every command of the runbooks is one: ours parse, the API has its paths, there are such settings, the shell reads the
rest."""

import re
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dialtrace.cli import cli
from dialtrace.config import SETTINGS

BOOK = (Path(__file__).parents[2] / "docs/runbooks.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", BOOK)))
OURS = [one for one in QUOTED if one.startswith("dialtrace ")]
AN_ID = "0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47"
#: What stands in the book for something of the reader's.
PLACES = {
    "WEBHOOK_ID": AN_ID, "INTEGRATION_ID": AN_ID,
    "POOL_ID": AN_ID, "AGENCY": AN_ID, "NUMBER": "+442079460123", "NAME": "node-1",
    "HOST": "dialtrace.example",
}  # fmt: skip


def test_given_the_runbooks_then_there_are_commands_of_ours_in_them() -> None:
    assert len(OURS) > 20


@pytest.mark.parametrize("line", OURS)
def test_given_a_command_of_ours_when_it_is_read_then_the_command_line_knows_it(line: str) -> None:
    command: click.Command = cli
    words = [PLACES.get(word, word) for word in line.split()[1:]]
    parent: click.Context | None = None
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        parent = click.Context(command, info_name=command.name, parent=parent)
        found = command.get_command(parent, words[0])
        assert found is not None, f"there is no command {words[0]!r} in {line!r}"
        command, words = found, words[1:]
    if "--help" in words:
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0
        return
    # An id is a UUID nearly everywhere; jobs are numbered.
    tried = []
    for an_id in (AN_ID, "17"):
        try:
            command.make_context("dialtrace", [an_id if word == "ID" else word for word in words], parent=parent)
        except click.UsageError as fault:
            tried.append(fault.format_message())
        else:
            return
    pytest.fail(f"{line!r}: {tried}")


def test_given_paths_of_the_api_then_it_has_them() -> None:
    from dialtrace.api.app import RESOURCES

    asked = {
        (one.split()[0], one.split()[1].partition("?")[0]) for one in QUOTED if re.match(r"(GET|POST|PATCH) /v1", one)
    }
    assert asked
    there = set()
    for module in RESOURCES:
        for method, path in routes_of(module.blueprint):
            there.add((method, re.sub(r"<[^>]+>", "{}", path)))
    missing = {(method, path) for method, path in asked if (method, re.sub(r"\{\w+\}", "{}", path)) not in there}
    assert missing == set()


def routes_of(blueprint: object) -> list[tuple[str, str]]:
    """What a blueprint registers, seen by an application of its own."""
    from apiflask import APIFlask

    app = APIFlask("routes", spec_path=None, docs_path=None)
    app.register_blueprint(blueprint)  # type: ignore[arg-type]
    return [(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ()]


def test_given_settings_then_there_are_such() -> None:
    known = {setting.name for setting in SETTINGS}
    assert set(re.findall(r"DIALTRACE_[A-Z_]+", BOOK)) - known == set()


@pytest.mark.parametrize(
    "line",
    [one for one in QUOTED if re.match(r"(curl|grep|tail|ls|df|du|ss|psql|systemctl|pgrep|dmesg|top|openssl)\b", one)],
)
def test_given_a_command_of_the_machine_when_the_shell_reads_it_then_it_is_one(line: str) -> None:
    plain = re.sub(r"<(data|spool|process|instance|digits|call id)>", "x", line)
    ran = subprocess.run(["bash", "-n", "-c", plain], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
