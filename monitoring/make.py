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
        labels = {"severity": severity[case.alert], **case.labels}
        groups += [_group(case, "fires", case.fires, labels), _group(case, "does not fire", case.quiet, None)]
    return {"rule_files": list(rules), "evaluation_interval": "1m", "tests": groups}


def _group(case: Case, what: str, series: Series, labels: dict[str, str] | None) -> dict[str, object]:
    """``labels``: of the one alert that must fire; None: none may, whatever its labels."""
    told = "".join(f',{name}="{value}"' for name, value in (labels or {}).items())
    return {
        "name": f"{case.alert} {what}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"{told}}}) or vector(0)',
                "eval_time": case.at,
                "exp_samples": [{"labels": "{}", "value": 0 if labels is None else 1}],
            }
        ],
    }


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
