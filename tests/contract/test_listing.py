"""The page about the suite says what the suite does."""

from __future__ import annotations

import json
from pathlib import Path

from .case import CASES, Within, only_times_differ
from .listing import DIFFERENCES, PAGE, page

PLATFORM = Path(__file__).parents[2] / "platform"
HEADERS = Path(__file__).parents[1] / "data" / "contract" / "headers.json"


def test_given_the_list_of_cases_when_reading_the_page_then_it_is_the_one_that_is_made_from_it() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: cd tests && python -m contract.listing"


def test_given_every_case_when_reading_what_it_proves_then_it_says_something_of_its_own() -> None:
    said = [one.proves for one in CASES.values()]
    assert len(set(said)) == len(said)
    assert all(len(one) > 20 for one in said)


def test_given_what_the_node_adds_when_looking_at_the_switch_then_it_knows_every_such_name() -> None:
    """The node may say something too early; it may not make anything up."""
    known = {name for names in json.loads(HEADERS.read_text(encoding="utf-8")).values() for name in names}
    differences = json.loads(DIFFERENCES.read_text(encoding="utf-8"))
    assert {name for one in differences.values() for name in one["adds"]} <= known


def test_given_what_the_node_lacks_when_reading_the_platform_then_nobody_asks_for_it() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in PLATFORM.rglob("*.py") if path.parent != PLATFORM / "node"
    )
    differences = json.loads(DIFFERENCES.read_text(encoding="utf-8"))
    lacked = {name.removeprefix("variable_") for one in differences.values() for name in one["lacks"]}
    # The interpreter reads call_uuid from records, where the node has it; CHANNEL_CREATE alone lacks it.
    assert {name for name in lacked if f'"{name}"' in source} == {"call_uuid"}
    assert [kind for kind, one in differences.items() if "variable_call_uuid" in one["lacks"]] == [
        "CHANNEL_CREATE inbound"
    ]


def test_given_a_case_that_was_too_late_when_judging_then_only_its_times_may_be_wrong() -> None:
    sees = {"status": 200, "answered_s": Within(0.0, 2.5), "recording": {"seconds": Within(1, 2), "sides": [[700]]}}
    late = {"status": 200, "answered_s": 3.1, "recording": {"seconds": 2.4, "sides": [[700]]}}

    assert late != sees
    assert only_times_differ(late, sees)
    assert not only_times_differ(late | {"status": 480}, sees)
    assert not only_times_differ(late | {"recording": None}, sees)
    assert not only_times_differ(late | {"answered_s": None}, sees)
