"""Prometheus' rules, by Prometheus' own tool: they load, every alert fires and keeps quiet as its case says, and a
broken expression is found."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dialtrace.monitoring import make
from dialtrace.monitoring.alert_cases import CASES
from dialtrace.monitoring.dashboards import DASHBOARDS
from dialtrace.monitoring.metrics_page import exposed_name, own_metrics, page
from dialtrace.watching.agency import FIGURES
from dialtrace.watching.model import ANSWERED, DELIVERED, Target

FOLDER = make.HERE
ROOT = Path(__file__).parents[2]
ALERTS = (FOLDER / "rules/alerts.yml").read_text(encoding="utf-8")
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")


def run(*arguments: str, folder: Path = FOLDER / "rules") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_given_what_prometheus_knows_of_whom_it_asks_then_no_metric_has_a_label_of_that_name() -> None:
    """It would rename ours to `exported_…`, and rules would read the other."""
    taken = {"job", "instance", *Target("api-1", "api", "127.0.0.1:9").as_scraped("host")["labels"]}
    assert {metric._name for metric in own_metrics() if taken & set(metric._labelnames)} == set()


@promtool
def test_given_the_rules_when_promtool_looks_then_they_load() -> None:
    ran = run("check", "rules", "alerts.yml", "recording.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@promtool
@pytest.mark.slow
def test_given_the_file_of_tests_as_it_is_made_when_promtool_runs_it_then_every_case_holds() -> None:
    """Each case holds by itself as well (below), with the rules of its alert alone, which is much quicker."""
    ran = run("test", "rules", "alerts_test.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@promtool
@pytest.mark.parametrize("alert", NAMES)
def test_given_an_alert_when_its_cases_run_then_they_hold_and_broken_in_any_way_one_of_them_fails(
    alert: str, tmp_path: Path
) -> None:
    cases = tuple(case for case in CASES if case.alert == alert)
    assert cases, f"{alert} has no case in monitoring/alert_cases.py"
    broken = mutants(expression_of(alert))
    names = {alert: expression_of(alert)} | {
        f"{alert}Mutant{number}": expression for number, expression in enumerate(broken)
    }
    rules = "\n".join(with_expression(alert, expression, name) for name, expression in names.items())
    (tmp_path / "alerts.yml").write_text(f"groups:\n  - name: one\n    rules:\n{rules}")
    recorded = (FOLDER / "rules/recording.yml").read_text(encoding="utf-8")
    (tmp_path / "recording.yml").write_text(
        recorded if ":dialtrace" in rules or "dialtrace:" in rules else "groups: []"
    )
    # All mutants in one group for each case: they are asked about the same series.
    together = {"rule_files": ["recording.yml", "alerts.yml"], "evaluation_interval": "1m", "tests": []}
    for case in cases:
        asked = [
            make.promtool_tests((replace(case, alert=name),), {name: make.severities(ALERTS)[alert]}, rules=())["tests"]
            for name in names
        ]
        for groups in zip(*asked, strict=True):
            tests = [test for group in groups for test in group["promql_expr_test"]]
            together["tests"].append({**groups[0], "promql_expr_test": tests})
    (tmp_path / "test.yml").write_text(json.dumps(together))
    ran = run("test", "rules", "test.yml", folder=tmp_path)
    assert ran.returncode != 0
    found = set(re.findall(r"alertname=\\?\"(\w+)\\?\"", ran.stdout + ran.stderr))
    assert alert not in found, ran.stdout + ran.stderr
    assert {name: names[name] for name in names.keys() - found - {alert}} == {}, "nobody noticed these"


def expression_of(alert: str) -> str:
    block = re.search(rf" +- alert: {alert}\n +expr: >-\n +([^\n]+)\n", ALERTS)
    assert block is not None
    return block[1]


def mutants(expression: str) -> list[str]:
    """The expression broken: never, always, each comparison turned around, each bound far off, each metric another,
    each matcher gone or the contrary, each part of a conjunction left out."""
    found = ["vector(0) > 1", "vector(1) > 0"]
    turned = {">": "<", "<": ">", "==": "!="}
    for match in re.finditer(r" (==|>|<) ", expression):
        found.append(f"{expression[: match.start(1)]}{turned[match[1]]}{expression[match.end(1) :]}")
    for match in re.finditer(r"[><] ([\d.]+)(?![\d.]*\[)", expression):
        # Below one there is only nothing, where whole things are counted.
        if float(match[1]) not in (0.0, 1.0):
            found += [
                expression[: match.start(1)] + str(float(match[1]) * factor) + expression[match.end(1) :]
                for factor in (1000, 0.001)
            ]
    for match in re.finditer(r"\b(?:\w+:)?dialtrace[_:][\w:]+|\bup\b", expression):
        found.append(f"{expression[: match.start()]}no_such_metric{expression[match.end() :]}")
    for match in re.finditer(r"(\w+)(=~|!=|=)(\"[^\"]*\")", expression):
        contrary = {"=": "!=", "!=": "=", "=~": "!~"}[match[2]]
        found.append(f"{expression[: match.start(2)]}{contrary}{expression[match.end(2) :]}")
    for word in (" and ", " unless ", " or "):
        before, there, after = expression.partition(word)
        if there and before.count("(") == before.count(")"):
            found += [before] if word == " unless " else [before, after]
    return list(dict.fromkeys(one for one in found if one != expression))


def with_expression(alert: str, expression: str, name: str) -> str:
    """The rule of this one alert under another name, its expression replaced."""
    block = re.search(rf" +- alert: {alert}\n(?:(?! +- alert:| +- name:).*\n)+", ALERTS)
    assert block is not None
    changed, count = re.subn(r"(expr: >-\n +)[^\n]+", lambda found: found[1] + expression, block[0])
    assert count == 1
    return changed.replace(f"- alert: {alert}\n", f"- alert: {name}\n", 1)


@promtool
@pytest.mark.parametrize("name", ["prometheus.yml"])
def test_given_prometheus_configuration_when_promtool_looks_then_it_is_one(name: str, tmp_path: Path) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    filled = text.replace("@RULES@", str(FOLDER / "rules")).replace("@API@", "http://127.0.0.1:8080")
    (tmp_path / "key").write_text("dt_none")
    filled = filled.replace("@KEY@", str(tmp_path / "key"))
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


amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="Debian's prometheus-alertmanager is not installed")


@amtool
def test_given_alertmanager_configuration_when_amtool_looks_then_it_is_one_and_routes_by_severity() -> None:
    def ask(*words: str) -> str:
        file = f"--config.file={FOLDER / 'alertmanager.yml'}"
        ran = subprocess.run(["amtool", *words, file], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout.strip()

    checked = subprocess.run(
        ["amtool", "check-config", str(FOLDER / "alertmanager.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert ask("config", "routes", "test", "severity=page", "alertname=NodeDown") == "pager"
    assert ask("config", "routes", "test", "severity=ticket", "alertname=ApiIsSlow") == "tickets"


def test_given_alertmanager_configuration_then_it_names_only_alerts_that_there_are() -> None:
    text = (FOLDER / "alertmanager.yml").read_text(encoding="utf-8")
    asked = re.findall(r'alertname=~?"([^"]+)"', text)
    assert asked
    for pattern in asked:
        for part in pattern.split("|"):
            assert any(re.fullmatch(part, name) for name in NAMES), f"{part} is no alert"


@pytest.mark.parametrize(("figure", "outcomes"), [("asr", ANSWERED), ("ner", DELIVERED)])
def test_given_a_ratio_then_its_rules_count_the_outcomes_that_the_noc_page_counts(
    figure: str, outcomes: frozenset[str]
) -> None:
    recording = (FOLDER / "rules/recording.yml").read_text(encoding="utf-8")
    rules = re.findall(rf"record: (\w+):dialtrace_{figure}:ratio15m\n +expr: >-\n.*outcome=~\"([^\"]+)\"", recording)
    assert {of: frozenset(said.split("|")) for of, said in rules} == {"node": outcomes, "trunk": outcomes}


def expressions() -> list[str]:
    """Every expression of rules and dashboards."""
    rules = ALERTS + (FOLDER / "rules/recording.yml").read_text(encoding="utf-8")
    return [rules, *(query for board in DASHBOARDS for panel in board.panels for query in panel.queries.values())]


def test_given_rules_and_dashboards_then_they_ask_for_nothing_that_is_not_there() -> None:
    there = {exposed_name(metric) for metric in own_metrics()} | {one.name for one in FIGURES}
    asked = set(re.findall(r"(?<![:\w])dialtrace_\w+", " ".join(expressions())))
    endings = {name + ending for name in there for ending in ("", "_bucket", "_sum", "_count")}
    assert asked - endings == set()
    recorded = set(re.findall(r"record: (\S+)", (FOLDER / "rules/recording.yml").read_text(encoding="utf-8")))
    assert set(re.findall(r"(?:node|trunk|dialtrace):\w+:\w+", " ".join(expressions()))) - recorded == set()
