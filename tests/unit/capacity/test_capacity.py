"""From calls to machines: the arithmetic, and the figures that it takes."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.capacity.model import (
    CONTROL,
    KINDS_OF_NODE,
    Cost,
    Demand,
    Figures,
    FiguresFaulty,
    need_of,
    read_figures,
)
from dialtrace.cli_capacity import capacity_command

COSTS = {kind: Cost(0.0, 0.0) for kind in (*KINDS_OF_NODE, *CONTROL)}
FIGURES = Figures(COSTS | {"node": Cost(0.05, 0.001), "worker": Cost(0.002, 0.0)}, 10_000, "a bench")


def test_given_ten_calls_a_second_of_three_minutes_then_littles_law_and_two_legs_both_ways():
    need = need_of(Demand(10, 180), FIGURES)
    assert need.standing_calls == 1800
    assert need.node_processors == pytest.approx(10 * 0.05 + 1800 * 0.001)
    assert need.kbit_s == pytest.approx(1800 * 4 * 95.2)


def test_given_a_processor_loaded_to_half_then_nodes_follow_it_and_one_is_to_spare():
    need = need_of(Demand(100, 1, cores=2), FIGURES)  # 5.1 processors, one of each node's two
    assert need.nodes == 6 + 1


def test_given_long_calls_then_what_a_node_admits_decides():
    need = need_of(Demand(1, 1000, cores=64, most_calls=500), FIGURES)
    assert need.nodes == 3 + 1  # 1,000 calls, 400 a node


def test_given_a_day_then_wav_is_32_kB_a_second_and_opus_6():
    wav, opus = (need_of(Demand(1, 100, 0.5, busy_hours=1, opus=opus), FIGURES) for opus in (False, True))
    assert wav.recordings_bytes_day == 3600 * 100 * 0.5 * 32_000
    assert opus.recordings_bytes_day == 3600 * 100 * 0.5 * 6_000
    assert wav.database_bytes_day == 3600 * 10_000


@given(st.floats(0.01, 1000), st.floats(1, 3600), st.floats(1.01, 10))
def test_given_more_calls_then_nothing_is_needed_less(cps, hold_s, factor):
    less, more = need_of(Demand(cps, hold_s), FIGURES), need_of(Demand(cps * factor, hold_s), FIGURES)
    assert more.nodes >= less.nodes
    assert more.workers >= less.workers
    assert more.kbit_s > less.kbit_s


def test_given_the_packaged_figures_then_they_are_a_measurement():
    figures = read_figures(Path(str(files("dialtrace.capacity").joinpath("figures.json"))))
    assert figures.costs["node"].setup_s > 0
    assert figures.row_bytes > 0
    assert "cores" in figures.measured_on
    assert all(cost.setup_s > 0 for cost in figures.costs.values())


def test_given_the_packaged_figures_then_a_third_load_cost_what_they_say_within_a_fifth():
    told = json.loads(files("dialtrace.capacity").joinpath("figures.json").read_text(encoding="utf-8"))
    assert told["ratio"]["measured_vs_said"] == pytest.approx(1, abs=0.2)
    assert told["figures"]["failed"] == 0


@pytest.mark.parametrize(
    "text",
    ["", "{}", "not json", json.dumps({"figures": {"costs": {}, "row_bytes": 1, "measured_on": "x"}})],
)
def test_given_a_file_that_is_no_measurement_then_it_says_what_makes_one(tmp_path, text):
    file = tmp_path / "figures"
    file.write_text(text)
    with pytest.raises(FiguresFaulty, match=r"bench_capacity|measure anew"):
        read_figures(file)


def test_given_the_command_then_it_prints_what_the_model_says():
    told = CliRunner().invoke(capacity_command, ["--cps", "10", "--json"])
    assert told.exit_code == 0
    assert json.loads(told.output)["need"]["standing_calls"] == 1800
    lines = CliRunner().invoke(capacity_command, ["--cps", "10"]).output
    assert "1,800" in lines
    assert "Mbit/s" in lines
