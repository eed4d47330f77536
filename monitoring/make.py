"""Writes what is made from code: promtool's tests and Grafana's dashboards. `make docs` runs it."""

from __future__ import annotations

import json
from pathlib import Path

from .alert_cases import CASES, Case, Series
from .dashboards import DASHBOARDS, dashboard

HERE = Path(__file__).parent
TESTS = "rules/alerts_test.yml"


def severities(rules: str) -> dict[str, str]:
    """Severity by alert, from the text of the rules."""
    found: dict[str, str] = {}
    alert = ""
    for line in rules.splitlines():
        word, _, value = line.strip().removeprefix("- ").partition(": ")
        if word == "alert":
            alert = value
        elif word == "severity":
            found[alert] = value
    return found


def promtool_tests(cases: tuple[Case, ...], severity: dict[str, str], *, rules: tuple[str, ...]) -> dict[str, object]:
    """A document for `promtool test rules`; alerts are known by their labels, their words are left to the reader."""
    groups = []
    for case in cases:
        expected = [{"exp_labels": {"severity": severity[case.alert], **case.labels}}]
        groups += [_group(case, "fires", case.fires, expected), _group(case, "does not fire", case.quiet, [])]
    return {"rule_files": list(rules), "evaluation_interval": "1m", "tests": groups}


def _group(case: Case, what: str, series: Series, expected: list[dict[str, object]]) -> dict[str, object]:
    samples = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)'
    return {
        "name": f"{case.alert} {what}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": _firing(case, expected) if expected else samples,
                "eval_time": case.at,
                "exp_samples": [{"labels": "{}", "value": 1 if expected else 0}],
            }
        ],
    }


def _firing(case: Case, expected: list[dict[str, object]]) -> str:
    labels = expected[0]["exp_labels"]
    assert isinstance(labels, dict)
    told = "".join(f',{name}="{value}"' for name, value in labels.items())
    return f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"{told}}}) or vector(0)'


def files() -> dict[str, str]:
    """Every file that is made, by its name in this folder."""
    rules = (HERE / "rules/alerts.yml").read_text(encoding="utf-8")
    tests = promtool_tests(CASES, severities(rules), rules=("recording.yml", "alerts.yml"))
    # JSON is YAML; promtool reads it, and no library is needed to write it.
    made = {TESTS: json.dumps(tests, indent=1) + "\n"}
    for one in DASHBOARDS:
        made[f"dashboards/{one.uid}.json"] = json.dumps(dashboard(one), indent=1) + "\n"
    return made


def main() -> None:
    for name, text in files().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
