"""Plans of whole flows: what callers experience by them is what the flow says, whatever is known of the call."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dialtrace.calls.compiled import read_compiled
from dialtrace.calls.model import Facts, QueuePlace, Route
from dialtrace.calls.plan import MOST_ACTIONS, MOST_BYTES, make_plan
from dialtrace.calls.plan_file import plan_file, points

from .caller_model import BEGIN, Reading, Walk

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
CALL = "0b7ae4a0-1111-4222-8333-444455556666"
TARGETS = [UUID(int=n) for n in range(101, 108)]
ALWAYS = {day: [[0, 1440]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
SAFE = re.compile(r"m:~:(?:[ -!#%&(-\[\]-~]|\\s)*")


def target(one):
    return {"id": str(one), "address": f"sip:{one.int}@10.0.0.1", "ring_timeout_s": 20, "weight": 1}


def route(steps, *, record=True, backup=None, apology=None, entry=None):
    compiled = {
        "version": 2, "record": record, "language": "en", "time_zone": "UTC", "entry": entry or next(iter(steps)),
        "steps": steps, "backup": backup, "apology": apology, "needs": [], "prompts": [],
    }  # fmt: skip
    return Route(UUID(int=1), UUID(int=2), UUID(int=3), "active", UUID(int=4), 1, compiled)


def plan_of(one, point="start", facts=Facts(now=NOW), decided="worker"):  # noqa: B008 (frozen)
    return make_plan(one, call_id=CALL, day="20260107", spool="/s", decided=decided, point=point, facts=facts)


# --- any flow at all ---

tones = st.integers(50, 3400).map(lambda hertz: {"kind": "tone", "frequency_hz": hertz, "duration_ms": 300})
prompts = st.one_of(tones, st.sampled_from(["a", "notice-2"]).map(lambda name: {"kind": "file", "name": name}))
TOLD = {
    "kind": "told", "text": "From {source}, {campaign|nowhere}.", "language": "en", "voice": "",
    "name": "say-" + "0" * 32,
}  # fmt: skip
whispers = st.none() | prompts | st.just(TOLD)
some_targets = st.lists(st.sampled_from(TARGETS), min_size=1, max_size=3).map(lambda ids: [target(one) for one in ids])
NAMES = ["a", "b-2", "f1.c", "d", "e", "f2.g"]


def steps_among(names):
    after = st.sampled_from([*names, None])

    def step(kind, **fields):
        return st.fixed_dictionaries({"type": st.just(kind), **fields})

    return st.one_of(
        step("announce", prompt=prompts, next=after),
        step("consent", prompt=prompts, refuse_digit=st.sampled_from("19*#"), timeout_s=st.just(3), next=after,
             otherwise=after),
        step("menu", prompt=prompts, choices=st.dictionaries(st.sampled_from(["1", "2", "12", "*", "#9"]), after,
             min_size=1), timeout_s=st.just(5), retries=st.integers(0, 9), invalid_prompt=st.none() | prompts,
             otherwise=after),
        step("code", prompt=prompts, length=st.sampled_from([1, 6]), variable=st.just("promo_code"),
             timeout_s=st.just(5), retries=st.integers(0, 2), invalid_prompt=st.none() | prompts, next=after,
             otherwise=after),
        step("schedule", time_zone=st.just("Europe/Moscow"), weekly=st.sampled_from([ALWAYS, {}]), holidays=st.just({}),
             overrides=st.just([]), open=after, closed=after),
        step("ring", targets=some_targets, strategy=st.sampled_from(["in_turn", "together", "round_robin",
             "longest_idle"]), sticky_days=st.none() | st.just(9), progress_timeout_s=st.none() | st.just(4),
             whisper=whispers, accept_digit=st.none() | st.just("1"), otherwise=after),
        step("queue", targets=some_targets, music=prompts, max_wait_s=st.just(60), max_length=st.just(5),
             announce_every_s=st.none(), announce_position=st.just(False), announcements=st.just([]),
             whisper=whispers, accept_digit=st.none() | st.just("1"), otherwise=after),
        step("voicemail", prompt=prompts, max_s=st.just(60), silence_s=st.just(5), next=after),
        step("geo", prefixes=st.dictionaries(st.sampled_from(["+7", "+7495", "+44"]), after), countries=st.just({}),
             otherwise=after),
        step("condition", when=st.sampled_from([[{"fact": "repeat", "test": "is", "value": True}],
             [{"fact": "variable:team", "test": "is", "value": "red"}]]), then=after, otherwise=after),
        step("tag", tags=st.just(["vip", "x.1"]), next=after),
        step("set", variables=st.sampled_from([{"team": "red"}, {"team": "blue"}]), next=after),
        step("webhook", url=st.just("https://a.example/"), timeout_s=st.just(3),
             choices=st.dictionaries(st.sampled_from(["vip", "no"]), after, min_size=1), otherwise=after),
        step("goto", flow=st.just(str(UUID(int=9))), next=after),
        step("record", on=st.booleans(), next=after),
        step("hangup", cause=st.sampled_from(["busy", "normal", "not_found"])),
    )  # fmt: skip


@st.composite
def routes(draw, most_steps=6):
    names = NAMES[: draw(st.integers(1, most_steps))]
    backup = draw(st.none() | st.just(target(TARGETS[6])))
    steps = {name: draw(steps_among(names)) for name in names}
    return route(steps, record=draw(st.booleans()), backup=backup, apology=draw(st.none() | tones))


anything_known = st.builds(
    Facts,
    now=st.just(NOW),
    seed=st.none() | st.integers(0, 2**128 - 1),
    caller=st.sampled_from([None, "+74951234567", "+442071234567"]),
    segments=st.integers(0, 5),
    recording=st.booleans(),
    rung=st.booleans(),
    variables=st.sampled_from([{}, {"team": "red"}]),
    tags=st.sampled_from([(), ("vip",)]),
    consent=st.sampled_from([None, "given", "refused"]),
    asks=st.booleans(),
    repeat=st.sampled_from([None, True, False]),
    source=st.sampled_from([None, "google", "a~b;c]'$,"]),
    campaign=st.sampled_from([None, "Весна 2026"]),
    sticky_target=st.none() | st.sampled_from(TARGETS),
    rotation=st.integers(0, 9),
    idle_order=st.none() | st.permutations(TARGETS[:6]).map(tuple),
    queue=st.sampled_from([None, QueuePlace(2, 5), QueuePlace(1, 60), QueuePlace(full=True)]),
)
#: A consent that was refused goes with a recording that does not run: the plan before this one has seen to that.
consistent = anything_known.map(lambda facts: replace(facts, recording=False) if facts.consent == "refused" else facts)


@st.composite
def cases(draw):
    one = draw(routes())
    known = ["start", *points(read_compiled(one.compiled)), *(f"{name}={BEGIN}" for name in one.compiled["steps"])]
    return one, draw(st.sampled_from([*known, "nowhere", "a=77"])), draw(consistent)


def walked(one, point, facts):
    flow = read_compiled(one.compiled)
    if point == "start":
        return Walk(flow, facts, recording=False).enters()
    name, _, result = point.partition("=")
    return Walk(flow, facts, recording=bool(facts.recording)).comes_back(name, result or None)


@given(case=cases())
def test_given_any_flow_at_any_point_then_what_the_caller_experiences_is_what_the_flow_says(case):
    one, point, facts = case
    if point == "start":
        facts = replace(facts, consent=None, segments=0, recording=None, rung=False)
    reading = Reading(recording=point != "start" and bool(facts.recording))
    assert reading.read(plan_of(one, point, facts)) == walked(one, point, facts)


@given(case=cases(), decided=st.sampled_from(["worker", "fallback"]))
def test_given_any_flow_then_its_plan_is_bounded_safe_and_rings_no_target_of_another(case, decided):
    one, point, facts = case
    plan = plan_of(one, point, replace(facts, segments=None) if decided == "fallback" else facts, decided)
    assert SAFE.fullmatch(plan)
    assert len(plan.split("~")) - 1 <= MOST_ACTIONS
    assert len(plan) <= MOST_BYTES
    allowed = set(re.findall(r"'id': '([^']*)'", str(one.compiled)))
    assert set(re.findall(r"dialtrace_target=([0-9a-f-]{36})", plan)) <= allowed


@given(case=cases())
def test_given_a_caller_who_refused_to_be_recorded_then_no_plan_records_at_any_point(case):
    one, point, facts = case
    point = "d=77" if point == "start" else point
    reading = Reading(recording=False)
    reading.read(plan_of(one, point, replace(facts, consent="refused", recording=False)))
    assert reading.recorded_paths == []


@given(one=routes(), consent=st.sampled_from([None, "given", "refused"]))
def test_given_any_flow_then_its_file_has_a_plan_for_every_point_and_none_records_against_the_callers_will(
    one, consent
):
    lines = plan_file(one, spool="/s", now=NOW).splitlines()[1:]
    found = {}
    for line in lines:
        since, until, point, plan = line.split(" ")
        assert int(since) < int(until)
        found.setdefault(point, []).append(plan)
    assert {"ring", "start", *points(read_compiled(one.compiled))} <= set(found)
    asks = any(step["type"] == "consent" for step in one.compiled["steps"].values())
    for point in set(found) - {"start"} if asks else ():
        if "/" not in point:
            for plan in found[point]:
                reading = Reading(recording=False)
                reading.read(plan)
                assert reading.recorded_paths == [], "the line for everybody is the strictest"


def test_given_a_plan_that_has_no_more_room_then_the_next_goes_on_where_it_ended():
    """However long the way, no step is left out or done twice by its being cut."""
    names = [f"s-{n}" for n in range(60)]
    long = {
        name: {
            "type": "announce",
            "prompt": {"kind": "tone", "frequency_hz": 440, "duration_ms": 10 + n},
            "next": after,
        }
        for n, (name, after) in enumerate(zip(names, [*names[1:], None], strict=True))
    }
    cut, played, point, facts = route(long, record=False), [], "start", Facts(now=NOW)
    for _ in range(5):
        reading = Reading(recording=False)
        seen = reading.read(plan_of(cut, point, facts))
        played += [one for one in seen if one[0] == "play"]
        if seen[-1][0] != "back":
            break
        point = f"{seen[-1][1]}={BEGIN}"
    assert [one[1] for one in played] == [f"tone_stream://%({10 + n},0,440)" for n in range(60)]


def test_given_a_code_is_pressed_then_it_is_kept_for_the_record_and_who_has_none_goes_on_all_the_same():
    hello = {"kind": "file", "name": "hello"}
    one = route(
        {
            "ask": {
                "type": "code", "prompt": hello, "length": 6, "variable": "promo_code", "timeout_s": 5, "retries": 1,
                "invalid_prompt": None, "next": "good", "otherwise": "none",
            },
            "good": {"type": "hangup", "cause": "normal"},
            "none": {"type": "hangup", "cause": "busy"},
        }
    )  # fmt: skip
    asked = plan_of(one)
    assert "play_and_get_digits:6 6 2 5000 # " in asked.replace("\\s", " ")
    assert "[0-9]" * 6 + "(?!.)" in asked
    pressed = plan_of(one, "ask=402618")
    assert "dialtrace_v_promo_code=402618" in pressed
    assert "NORMAL_CLEARING" in pressed
    for nothing in ("ask", "ask=40261", "ask=abcdef"):
        silent = plan_of(one, nothing)
        assert "promo_code" not in silent
        assert "USER_BUSY" in silent
