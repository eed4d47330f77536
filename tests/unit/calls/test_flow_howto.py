"""What docs/howto/flows.md shows is what the platform takes."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from dialtrace.calls.flow_steps import Step
from dialtrace.calls.flows import MOST_STEPS, parse_flow

PAGE = (Path(__file__).parents[3] / "docs/howto/flows.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
KINDS = {kind.model_fields["type"].annotation.__args__[0] for kind in get_args(get_args(Step)[0])}


@pytest.mark.parametrize("document", [one for one in EXAMPLES if "steps" in one])
def test_given_a_flow_of_the_howto_then_it_is_taken(document):
    assert len(parse_flow(document).steps) == len(document["steps"])


@pytest.mark.parametrize("step", [one for one in EXAMPLES if "type" in one], ids=lambda step: step["type"])
def test_given_a_step_of_the_howto_then_it_is_one(step):
    assert TypeAdapter(Step).validate_python(step).type == step["type"]


def test_given_the_howto_then_it_shows_each_kind_of_step_and_says_the_limits():
    assert {one["type"] for one in EXAMPLES if "type" in one} == KINDS
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == KINDS
    assert f"{MOST_STEPS} steps in a flow" in PAGE
