"""The same calls on the embedded node and on a real FreeSWITCH: callers see the same, the records say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .case import CASES
from .conftest import Rehearsed
from .switches import freeswitch_binary

EXPECTED = Path(__file__).parents[1] / "data" / "contract" / "expected"

pytestmark = pytest.mark.timeout(320)
on_each_switch = pytest.mark.parametrize(
    "kind",
    [
        "embedded",
        pytest.param(
            "freeswitch",
            marks=[
                pytest.mark.freeswitch,
                pytest.mark.skipif(
                    freeswitch_binary() is None, reason="no FreeSWITCH: set FREESWITCH_BIN, or put freeswitch on PATH"
                ),
            ],
        ),
    ],
)
each_case = pytest.mark.parametrize("name", list(CASES))


def _result(rehearsed: Rehearsed, kind: str, name: str) -> dict[str, Any]:
    found = rehearsed(kind)
    assert "broken" not in found, found["broken"]
    result: dict[str, Any] = found["results"][name]
    assert result["fault"] is None, result["fault"]
    return result


@on_each_switch
@each_case
def test_given_a_case_when_it_is_played_then_callers_and_targets_see_what_it_says(
    kind: str, name: str, rehearsed: Rehearsed
) -> None:
    assert _result(rehearsed, kind, name)["seen"] == CASES[name].sees, CASES[name].proves


@on_each_switch
@each_case
def test_given_a_case_when_its_records_are_read_then_every_field_is_that_of_the_real_switch(
    kind: str, name: str, rehearsed: Rehearsed
) -> None:
    expected = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))

    assert _result(rehearsed, kind, name)["records"] == expected


def test_every_case_has_expected_records_and_no_record_is_left_from_a_case_that_went() -> None:
    assert sorted(path.stem for path in EXPECTED.glob("*.json")) == sorted(CASES)
