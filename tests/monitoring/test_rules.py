"""Prometheus' rules, by Prometheus' own tool: they load, every alert fires and keeps quiet as its case says, and a
broken expression is found."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dialtrace.monitoring import make
from dialtrace.monitoring.alert_cases import CASES
from dialtrace.monitoring.dashboards import DASHBOARDS
from dialtrace.monitoring.metrics_page import exposed_name, own_metrics, page

FOLDER = make.HERE
ROOT = Path(__file__).parents[2]
ALERTS = (FOLDER / "rules/alerts.yml").read_text(encoding="utf-8")
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")


def run(*arguments: str, folder: Path = FOLDER / "rules") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)


@promtool
def test_given_the_rules_when_promtool_looks_then_they_load_and_every_case_holds() -> None:
    ran = run("check", "rules", "alerts.yml", "recording.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = run("test", "rules", "alerts_test.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@promtool
@pytest.mark.parametrize("alert", NAMES)
def test_given_one_alert_that_never_fires_or_always_does_when_its_cases_run_then_one_of_them_fails(
    alert: str, tmp_path: Path
) -> None:
    cases = tuple(case for case in CASES if case.alert == alert)
    assert cases, f"{alert} has no case in monitoring/alert_cases.py"
    document = make.promtool_tests(cases, make.severities(ALERTS), rules=("alerts.yml",))
    (tmp_path / "test.yml").write_text(json.dumps(document))
    for broken in ("vector(0) > 1", "vector(1) > 0"):
        (tmp_path / "alerts.yml").write_text(with_expression(alert, broken))
        assert run("test", "rules", "test.yml", folder=tmp_path).returncode != 0, f"nobody noticed {broken}"


def with_expression(alert: str, expression: str) -> str:
    """Rules of this one alert, its expression replaced."""
    block = re.search(rf" +- alert: {alert}\n(?:(?! +- alert:| +- name:).*\n)+", ALERTS)
    assert block is not None
    changed, count = re.subn(r"(expr: >-\n +)[^\n]+", lambda found: found[1] + expression, block[0])
    assert count == 1
    return f"groups:\n  - name: one\n    rules:\n{changed}"


@promtool
@pytest.mark.parametrize("name", ["prometheus.yml"])
def test_given_prometheus_configuration_when_promtool_looks_then_it_is_one(name: str, tmp_path: Path) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    filled = text.replace("@RULES@", str(FOLDER / "rules")).replace("@TARGETS@", str(tmp_path / "targets.json"))
    (tmp_path / "targets.json").write_text("[]")
    (tmp_path / name).write_text(filled)
    ran = run("check", "config", name, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_given_what_is_made_from_code_then_it_is_what_the_code_makes_now() -> None:
    for name, text in make.files().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs`"
    assert (ROOT / "docs/metrics.md").read_text(encoding="utf-8") == page(), "docs/metrics.md: run `make docs`"


def test_given_every_alert_then_the_runbook_has_a_chapter_with_commands_for_it() -> None:
    book = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    chapters = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", book, re.MULTILINE | re.DOTALL))
    assert sorted(chapters) == sorted(NAMES)
    assert [name for name, text in chapters.items() if "`" not in text] == []
    assert re.findall(r"runbook: docs/runbooks\.md#(\w+)", ALERTS) == [name.lower() for name in NAMES]


def expressions() -> list[str]:
    """Every expression of rules and dashboards."""
    rules = ALERTS + (FOLDER / "rules/recording.yml").read_text(encoding="utf-8")
    return [rules, *(query for board in DASHBOARDS for panel in board.panels for query in panel.queries.values())]


def test_given_rules_and_dashboards_then_they_ask_for_nothing_that_is_not_there() -> None:
    there = {exposed_name(metric) for metric in own_metrics()}
    asked = set(re.findall(r"(?<![:\w])dialtrace_\w+", " ".join(expressions())))
    endings = {name + ending for name in there for ending in ("", "_bucket", "_sum", "_count")}
    assert asked - endings == set()
    recorded = set(re.findall(r"record: (\S+)", (FOLDER / "rules/recording.yml").read_text(encoding="utf-8")))
    assert set(re.findall(r"(?:node|dialtrace):\w+:\w+", " ".join(expressions()))) - recorded == set()
