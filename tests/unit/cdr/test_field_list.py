"""The page of fields says all that records hold, and nothing else."""

import json
from pathlib import Path

from dialtrace.cdr.field_list import CALL_FIELDS, FACTS, LEG_FIELDS, page
from dialtrace.cdr.interpret import interpret
from dialtrace.cdr.model import Call, CallFacts, Leg, LegFacts, as_columns

ROOT = Path(__file__).parents[3]
#: Of a file's facts, what becomes another field's: the target of the connected leg, rows of the ledger, keys.
NOT_KEPT = {"connected_leg_id", "segments", "call_started_at", "agency_id", "client_id"}


def test_given_the_model_when_comparing_then_each_field_of_a_record_is_explained() -> None:
    assert set(CALL_FIELDS) == set(Call.__dataclass_fields__)
    assert set(LEG_FIELDS) == set(Leg.__dataclass_fields__)
    assert set(CallFacts.__dataclass_fields__) - set(CALL_FIELDS) <= NOT_KEPT
    assert set(LegFacts.__dataclass_fields__) - set(LEG_FIELDS) <= NOT_KEPT


def test_given_every_captured_file_when_reading_then_no_fact_is_without_an_explanation() -> None:
    data = ROOT / "tests" / "data"
    files = [path for path in (data / "cdr").glob("*.json") if "expected" not in path.name]
    files += (data / "contract" / "captures").glob("*/*.cdr.json")
    found: set[str] = set()
    for path in files:
        found |= set(as_columns(interpret(json.loads(path.read_bytes()), node="node-1"))["facts"])

    assert found - set(FACTS) == set()
    assert len(files) > 120


def test_given_the_page_when_comparing_then_it_is_the_one_in_docs() -> None:
    assert (ROOT / "docs" / "cdr-fields.md").read_text(encoding="utf-8") == page(), "run `make docs`"
