"""What Prometheus saw while things were broken (monitoring/recorded), replayed: the alert of each fault fires within
two minutes, and nobody is paged for anything else."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dialtrace.loadtest.chaos_drills import DRILLS
from dialtrace.monitoring.chaos_series import FOLDER, STEP_S, WITHIN_S, asked_metrics, notation

RULES = FOLDER.parent / "rules"
#: Drill → the alert that must fire; None: no fault is in it that anybody should hear of.
RAISES: dict[str, str | None] = {
    "steady": None,
    "rolling-restart": None,
    # It is killed while it is drained.
    "node-drained": "ProcessWasRestarted",
    "worker-killed": "ProcessWasRestarted",
    "node-killed": "ProcessWasRestarted",
    "workers-away": "CallsRunOnFallbackPlans",
    "database-frozen": "DatabaseIsAway",
    "database-stopped": "DatabaseIsAway",
    "database-restarted": "DatabaseIsAway",
    "overload": "CallsAreRefused",
    "store-away": "RecordingsFail",
    "store-ill": "RecordingsFail",
    "agent-killed": "ProcessKeepsDying",
    "disk-full": "DiskIsFull",
}
RECORDED = sorted(path.stem for path in FOLDER.glob("*.json"))

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
recorded_ones = pytest.mark.skipif(
    not RECORDED, reason="nothing is recorded: python -m dialtrace.monitoring.chaos_series"
)


def test_given_the_recordings_then_they_are_of_drills_that_there_are() -> None:
    assert set(RECORDED) <= set(RAISES)


def test_given_the_drills_then_of_each_it_is_said_which_alert_it_raises_and_there_is_such_an_alert() -> None:
    assert set(RAISES) == {drill.name for drill in DRILLS}
    groups = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert {alert for alert in RAISES.values() if alert is not None} - alerts == set()


def hushed(alert: str | None) -> list[str]:
    """Selectors of what Alertmanager does not tell beside the alert."""
    rules = yaml.safe_load((FOLDER.parent / "alertmanager.yml").read_text(encoding="utf-8"))["inhibit_rules"]
    matching = [rule for rule in rules if rule["source_matchers"] == [f'alertname="{alert}"']]
    return [",".join(rule["target_matchers"]) for rule in matching]


def questions(recorded: dict[str, Any], alert: str | None) -> list[dict[str, Any]]:
    """What is asked of the replay, with the only right answers."""
    end_s = recorded["step_s"] * (recorded["samples"] - 1)
    told = f'max_over_time(ALERTS{{alertstate="firing",severity="page",alertname!="{alert}"}}[{end_s}s])'
    for selector in hushed(alert):
        told += f" unless max_over_time(ALERTS{{{selector}}}[{end_s}s])"
    asked = [(f"count by (alertname) ({told})", end_s, [])]
    if alert is not None:
        fires = f'count(max_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[{WITHIN_S}s])) > bool 0'
        within_s = min(int(recorded["fault_s"]) + WITHIN_S, end_s)
        asked.append((fires, within_s, [{"labels": "{}", "value": 1}]))
    return [{"expr": expr, "eval_time": f"{at}s", "exp_samples": samples} for expr, at, samples in asked]


def replay(recorded: dict[str, Any], asked: list[dict[str, Any]], folder: Path) -> subprocess.CompletedProcess[str]:
    document = {
        "rule_files": [str(RULES / "recording.yml"), str(RULES / "alerts.yml")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": f"{recorded['step_s']}s",
                "input_series": [{"series": name, "values": values} for name, values in recorded["series"].items()],
                "promql_expr_test": asked,
            }
        ],
    }
    (folder / "test.yml").write_text(json.dumps(document))
    return subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, check=False
    )


@promtool
@pytest.mark.parametrize("drill", RECORDED)
def test_given_a_fault_when_its_series_are_replayed_then_its_alert_fires_in_time_and_none_other_pages(
    drill: str, tmp_path: Path
) -> None:
    recorded = json.loads((FOLDER / f"{drill}.json").read_text(encoding="utf-8"))
    ran = replay(recorded, questions(recorded, RAISES[drill]), tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@promtool
@pytest.mark.parametrize(("values", "holds"), [("0x4 1x43", True), ("0x48", False)])
def test_given_series_written_by_hand_when_they_are_replayed_then_it_holds_only_where_the_disk_fills(
    values: str, holds: bool, tmp_path: Path
) -> None:
    """The replay itself, whether anything is recorded or not."""
    series = {'dialtrace_spool_full{node="node-1"}': values}
    recorded = {"step_s": STEP_S, "samples": 49, "fault_s": 24, "series": series}
    ran = replay(recorded, questions(recorded, "DiskIsFull"), tmp_path)
    assert (ran.returncode == 0) == holds, ran.stdout + ran.stderr


@promtool
@recorded_ones
def test_given_no_fault_when_a_fault_s_alert_is_asked_for_then_the_replay_says_no(tmp_path: Path) -> None:
    """The replay can fail: calm series do not raise what a fault raises."""
    recorded = json.loads((FOLDER / f"{RECORDED[0]}.json").read_text(encoding="utf-8"))
    other = "NumbersFailTheirProof"
    ran = replay(recorded, questions(recorded, other)[1:], tmp_path)
    assert ran.returncode != 0


@recorded_ones
def test_given_recordings_then_they_have_a_series_of_every_metric_that_pages() -> None:
    """A rule that asks for a metric which no recording knows cannot be wrong in them: record anew when rules change."""
    paging = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))
    expressions = [
        rule["expr"] for group in paging["groups"] for rule in group["rules"] if rule["labels"]["severity"] == "page"
    ]
    asked = {name for text in expressions for name in re.findall(r"(?<![:\w])dialtrace_\w+", text)}
    there = {
        name.partition("{")[0]
        for drill in RECORDED
        for name in json.loads((FOLDER / f"{drill}.json").read_text(encoding="utf-8"))["series"]
    }
    # Of certificates: a platform on loopback has none.
    assert {name for name in asked - there if "certificate" not in name} == set()
    assert asked <= asked_metrics()


@recorded_ones
def test_given_a_drill_without_a_fault_then_every_failure_that_an_alert_counts_stands_at_nothing() -> None:
    """Of a counter that begins with the first failure Prometheus sees no rise: that failure would never be told."""
    steady = json.loads((FOLDER / "steady.json").read_text(encoding="utf-8"))["series"]
    there = {name.partition("{")[0] for name in steady}
    rules = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))
    counted = {
        name
        for group in rules["groups"]
        for rule in group["rules"]
        for name in re.findall(r"increase\((dialtrace_\w*fail\w*)", rule["expr"])
    }
    assert counted
    assert counted - there == set()


def test_given_samples_when_written_for_promtool_then_gaps_and_repeats_are_told() -> None:
    assert notation([(0, "1"), (5.2, "1"), (9.9, "1"), (20, "4")], 0, 6) == "1x2 _ 4 _"
