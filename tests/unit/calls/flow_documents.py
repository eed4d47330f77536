"""Flow documents for tests: one of each kind of step, and strategies that make any that is valid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from dialtrace.calls.model import Target

AGENCY, CLIENT, FIRST, SECOND, THIRD = (UUID(int=n) for n in range(1, 6))
TONE = {"kind": "tone", "frequency_hz": 440, "duration_ms": 400}
SAY = {"kind": "say", "text": "Thank you for calling."}
ANNOUNCE = {"type": "announce", "prompt": TONE}
BUSY = {"type": "hangup", "cause": "busy"}


def target(target_id: UUID = FIRST, *, address: str = "sip:1@10.0.0.1", ring_timeout_s: int = 20) -> Target:
    then = datetime(2026, 1, 1, tzinfo=UTC)
    return Target(target_id, AGENCY, CLIENT, "desk", address, ring_timeout_s, 1, then, then)


def ring(*ids: UUID, **more: Any) -> dict[str, Any]:
    return {"type": "ring", "targets": [str(one) for one in ids], **more}


def menu(choices: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"type": "menu", "prompt": SAY, "choices": choices, **more}


def document(*steps: dict[str, Any], version: int = 2, **more: Any) -> dict[str, Any]:
    return {"version": version, "steps": list(steps), **more}


TARGETS = [target(one, address=f"sip:{one.int}@10.0.0.1") for one in (FIRST, SECOND, THIRD)]
_ids = st.sampled_from([str(one.id) for one in TARGETS])
_prompts = st.one_of(
    st.builds(
        lambda hz, ms: {"kind": "tone", "frequency_hz": hz, "duration_ms": ms},
        st.integers(50, 3400),
        st.integers(10, 999),
    ),
    st.just({"kind": "file", "name": "notice"}),
    st.builds(
        lambda text, more: {"kind": "say", "text": text, **more},
        st.sampled_from(["Hello.", "Здравствуйте, это «Ромашка»."]),
        st.fixed_dictionaries({}, optional={"language": st.sampled_from(["en", "ru"]), "voice": st.just("en-us+f3")}),
    ),
)
_words = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.@-]{0,9}\Z")
_variables = st.from_regex(r"\A[a-z][a-z_]{0,9}\Z")
_minutes = st.integers(0, 1439)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


_hours = st.builds(
    lambda a, b: [_clock(min(a, b)), _clock(max(a, b) + (a == b)) if max(a, b) + (a == b) < 1440 else "24:00"],
    _minutes,
    _minutes,
)
_day_hours = st.lists(_hours, max_size=2)
_days = st.dates().filter(lambda one: one.year > 1900).map(str)
_tests = st.one_of(
    st.builds(lambda value: {"fact": "repeat", "is": value}, st.booleans()),
    st.builds(lambda n: {"fact": "spam", "at_least": n}, st.integers(0, 100)),
    st.builds(lambda n: {"fact": "hour", "in": n}, st.lists(st.integers(0, 23), min_size=1, max_size=3)),
    st.builds(lambda word: {"fact": "variable:kind", "is": word}, _words),
    st.just({"fact": "campaign", "in": ["Весна 2026", "spring"]}),
)


def _fields(names: st.SearchStrategy[str]) -> list[st.SearchStrategy[dict[str, Any]]]:
    """Each kind of step without ``next``: a dict of its fields, with names out of ``names``."""
    rung = {
        "targets": st.lists(_ids | st.builds(lambda one: {"target": one, "weight": 3}, _ids), min_size=1, max_size=2)
    }
    told = st.just({"kind": "say", "text": "A call from {source}, {campaign|no campaign}."})
    heard = {"whisper": _prompts | told, "accept_digit": st.sampled_from("1*#"), "ring_timeout_s": st.integers(1, 300)}

    def kind(of: str, needed: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
        return st.fixed_dictionaries({"type": st.just(of), **needed}, optional=optional or {})

    return [
        kind("announce", {"prompt": _prompts}),
        kind("consent", {"prompt": _prompts}, {"refuse_digit": st.sampled_from("059#"), "otherwise": names}),
        kind(
            "menu",
            {
                "prompt": _prompts,
                "choices": st.dictionaries(st.from_regex(r"\A[0-9*#]{1,2}\Z"), names, min_size=1, max_size=3),
            },
            {"retries": st.integers(0, 9), "invalid_prompt": _prompts, "otherwise": names},
        ),
        kind(
            "schedule",
            {
                "weekly": st.dictionaries(st.sampled_from(["mon", "tue", "sun"]), _day_hours, max_size=2),
                "closed": names,
            },
            {
                "time_zone": st.sampled_from(["Europe/Moscow", "UTC"]),
                "holidays": st.lists(st.builds(lambda d, h: {"date": d, "hours": h}, _days, _day_hours), max_size=1),
                "overrides": st.just([{"from": "2026-07-01T00:00", "until": "2026-07-15T09:30", "open": False}]),
                "open": names,
            },
        ),
        kind(
            "ring",
            rung,
            {
                "strategy": st.sampled_from(["in_turn", "together", "round_robin", "weighted", "longest_idle"]),
                "sticky_days": st.integers(1, 365),
                "progress_timeout_s": st.integers(1, 30),
                "otherwise": names,
                **heard,
            },
        ),
        kind(
            "queue",
            {**rung, "music": _prompts},
            {
                "max_wait_s": st.integers(1, 7200),
                "announce_every_s": st.integers(10, 600),
                "announce_position": st.booleans(),
                "otherwise": names,
                **heard,
            },
        ),
        kind("voicemail", {"prompt": _prompts}, {"max_s": st.integers(5, 600), "silence_s": st.integers(1, 30)}),
        kind(
            "geo",
            {"match": st.dictionaries(st.sampled_from(["+7", "+7495", "GB"]), names, min_size=1)},
            {"otherwise": names},
        ),
        kind("condition", {"when": st.lists(_tests, min_size=1, max_size=2), "then": names}, {"otherwise": names}),
        kind("tag", {"tags": st.lists(_words, min_size=1, max_size=3)}),
        kind("set", {"variables": st.dictionaries(_variables, _words, min_size=1, max_size=3)}),
        kind(
            "webhook",
            {
                "url": st.just("https://crm.example.com/route?x=1"),
                "choices": st.dictionaries(_words, names, min_size=1, max_size=3),
            },
            {"timeout_s": st.integers(1, 20), "otherwise": names},
        ),
        kind("record", {"on": st.booleans()}),
        kind("hangup", {"cause": st.sampled_from(["busy", "no_answer", "rejected", "normal"])}),
        kind(
            "code",
            {"prompt": _prompts},
            {"length": st.integers(1, 12), "variable": _variables, "invalid_prompt": _prompts, "otherwise": names},
        ),
    ]


@st.composite
def documents(draw: st.DrawFn, *, most: int = 6) -> dict[str, Any]:
    """Documents of version 2 whose steps lead on to later ones only, so that most of them are valid; which are not have
    steps that nothing reaches, or names that are not used."""
    count = draw(st.integers(1, most))
    names = [f"s-{place}" for place in range(count)]
    steps = []
    for place in range(count):
        last = place == count - 1
        ahead = st.sampled_from(names[place + 1 :]) if not last else st.just("s-0")
        kinds = _fields(ahead)
        # The last step leads nowhere; in the others whatever they name comes later.
        step = draw(st.one_of([kinds[at] for at in (0, 6, 9, 10, 12, 13)]) if last else st.one_of(kinds))
        steps.append({**step, "name": names[place]})
    more = draw(
        st.fixed_dictionaries({}, optional={"record": st.booleans(), "language": st.sampled_from(["en", "ru"])})
    )
    return {"version": 2, "steps": steps, **more}
