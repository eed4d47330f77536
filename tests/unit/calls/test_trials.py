"""What a flow would do with a call that nobody makes: the same as its plans."""

import re
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from dialtrace.calls.compiled import read_compiled
from dialtrace.calls.compiling import compile_flow
from dialtrace.calls.errors import AnswerUnfit
from dialtrace.calls.model import Facts, Route, Target
from dialtrace.calls.plan import make_plan
from dialtrace.calls.trials import MOST_STEPS, try_flow

SUNDAY, MONDAY = datetime(2026, 11, 29, 9, tzinfo=UTC), datetime(2026, 11, 30, 9, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGENCY, CLIENT = uuid4(), uuid4()
DESK, SHOP, HOME = (
    Target(id=UUID(int=n), agency_id=AGENCY, client_id=CLIENT, name=name, address=f"sip:{name}@pbx.example",
           ring_timeout_s=20, version=1, created_at=NOW, updated_at=NOW)
    for n, name in enumerate(("desk", "shop", "home"), 1)
)  # fmt: skip
SAY = {"kind": "tone", "frequency_hz": 440, "duration_ms": 100}
OFFICE = [
    {"name": "hours", "type": "schedule", "weekly": {"mon": [["09:00", "18:00"]]}, "open": "choose", "closed": "late"},
    {"name": "choose", "type": "menu", "prompt": SAY, "choices": {"1": "sales", "2": "choose"}, "otherwise": "wait"},
    {"name": "sales", "type": "ring", "targets": [str(DESK.id), str(SHOP.id)], "otherwise": "late"},
    {"name": "wait", "type": "queue", "targets": [str(SHOP.id)], "music": SAY, "otherwise": "late"},
    {"name": "late", "type": "voicemail", "prompt": SAY},
]


def route_of(steps, backup=None):
    compiled = compile_flow({"version": 2, "steps": steps}, [DESK, SHOP, HOME], backup=backup)
    return Route(agency_id=AGENCY, client_id=CLIENT, number_id=uuid4(), status="active", flow_id=uuid4(),
                 flow_version=1, compiled=compiled)  # fmt: skip


def tried(steps, facts, answers=(), backup=None):
    route = route_of(steps, backup)
    return try_flow(route, read_compiled(route.compiled), facts, answers)


def way(trial):
    return [(one.name, one.result) for one in trial.steps]


def test_given_sunday_at_nine_then_nobody_is_rung_and_a_message_is_taken() -> None:
    trial = tried(OFFICE, Facts(now=SUNDAY))
    assert (way(trial), trial.ending) == ([("hours", "closed"), ("late", None)], "over")


def test_given_monday_at_nine_then_it_asks_and_goes_by_what_it_is_told() -> None:
    asks = tried(OFFICE, Facts(now=MONDAY))
    assert (asks.ending, asks.offers, asks.steps[-1].name) == ("asks", ["1", "2", ""], "choose")
    sales = tried(OFFICE, Facts(now=MONDAY), ["2", "1"], backup=HOME)
    assert way(sales)[:3] == [("hours", "open"), ("choose", "2"), ("choose", "1")]
    assert [one.id for one in sales.steps[3].targets] == [DESK.id, SHOP.id]
    assert (sales.ending, sales.backup.id) == ("in_vain", HOME.id)
    assert tried(OFFICE, Facts(now=MONDAY), ["", "taken"]).ending == "taken"
    assert way(tried(OFFICE, Facts(now=MONDAY), ["", "timeout"]))[-2:] == [("wait", "timeout"), ("late", None)]


def test_given_an_answer_that_a_step_does_not_ask_for_then_it_says_which() -> None:
    with pytest.raises(AnswerUnfit) as raised:
        tried(OFFICE, Facts(now=MONDAY), ["2", "7"])
    assert (raised.value.place, raised.value.offers) == (1, ["1", "2", ""])


def test_given_facts_then_conditions_and_variables_decide_as_in_a_plan() -> None:
    steps = [
        {"type": "set", "variables": {"department": "sales"}},
        {"type": "condition", "when": [{"fact": "variable:department", "is": "sales"}, {"fact": "repeat", "is": True}],
         "then": "known", "otherwise": "new"},
        {"name": "known", "type": "ring", "targets": [str(DESK.id)]},
        {"name": "new", "type": "hangup", "cause": "busy"},
    ]  # fmt: skip
    known, new = (tried(steps, Facts(now=MONDAY, repeat=one)) for one in (True, False))
    assert [one.name for one in known.steps] == ["step-1", "step-2", "known", "new"]
    assert (way(new)[-1], new.ending) == (("new", None), "hung_up")


@pytest.mark.parametrize("moment", [SUNDAY, MONDAY])
@pytest.mark.parametrize("repeat", [True, False, None])
def test_given_a_flow_that_asks_nobody_then_its_plan_comes_through_the_same_steps(moment, repeat) -> None:
    steps = [
        {**OFFICE[0], "open": "who"},
        {"name": "who", "type": "condition", "when": [{"fact": "repeat", "is": True}], "then": "sales",
         "otherwise": "tagged"},
        {"name": "tagged", "type": "tag", "tags": ["new"]},
        {**OFFICE[2], "strategy": "together"},
        OFFICE[4],
    ]  # fmt: skip
    facts, route = Facts(now=moment, repeat=repeat), route_of(steps)
    trial = try_flow(route, read_compiled(route.compiled), facts)
    plan = make_plan(route, call_id=str(uuid4()), day="20261129", spool="/spool", decided="worker", facts=facts)
    trails = re.findall(r"dialtrace_trail=([^;~]+)", plan)
    passed = [step.partition("@")[0] for trail in trails for step in trail.split(",")]
    assert [one.name for one in trial.steps] == passed
    rung = re.search(r"dialtrace_attempts=([^;~]+)", plan)
    assert [str(target.id) for one in trial.steps for target in one.targets] == (rung[1].split(",") if rung else [])


def test_given_a_menu_that_leads_to_itself_then_a_trial_comes_to_an_end() -> None:
    steps = [{"name": "again", "type": "menu", "prompt": SAY, "choices": {"1": "again"}, "otherwise": "again"}]
    trial = tried(steps, Facts(now=MONDAY), ["1"] * (MOST_STEPS + 1))
    assert (trial.ending, len(trial.steps)) == ("too_long", MOST_STEPS)
