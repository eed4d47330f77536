"""The kinds of steps of a flow as the editor shows them: what each is called, and of which parts it is made. Data; what
a step may hold is the API's to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .texts import N_


@dataclass(frozen=True, kw_only=True)
class Part:
    """A member of a step. ``kind``: prompt, link (the step that follows), ways (what is said → the step that follows),
    number, check, text, words, pairs, choice, targets, tests, hours, days, spans, pick. ``source``: the list that a
    pick chooses from. ``may_lack``: a prompt that need not be there; a link: what nothing means."""

    name: str
    label: str
    kind: str
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    source: str = ""
    may_lack: bool = True


@dataclass(frozen=True, kw_only=True)
class StepKind:
    """``fresh``: what a new one begins with, besides its type."""

    title: str
    about: str
    parts: tuple[Part, ...]
    fresh: Mapping[str, object]


_SAY = {"kind": "say", "text": ""}
_NEXT = Part(name="next", label=N_("Then"), kind="link")
_ELSE = Part(name="otherwise", label=N_("Otherwise"), kind="link")
_PROMPT = Part(name="prompt", label=N_("What is heard"), kind="prompt", may_lack=False)
_WAITS = Part(name="timeout_s", label=N_("Waits, seconds"), kind="number")
_RETRIES = Part(name="retries", label=N_("Asks again, times"), kind="number")
_WRONG = Part(name="invalid_prompt", label=N_("Heard after a wrong key"), kind="prompt")
_TARGETS = Part(name="targets", label=N_("Who is rung"), kind="targets",
                help=N_("In this order. The weight counts only where calls are shared out by weight."))  # fmt: skip
_RINGS = Part(name="ring_timeout_s", label=N_("Each rings, seconds"), kind="number",
              help=N_("Nothing: as each target says."))  # fmt: skip
_WHISPER = Part(name="whisper", label=N_("Whispered to whoever answers"), kind="prompt",
                help=N_("It may hold {source|our site} and {campaign|none}: where the caller comes from."))  # fmt: skip
_ACCEPT = Part(name="accept_digit", label=N_("Key that takes the call"), kind="text",
               help=N_("A mailbox cannot press it, so the next one rings."))  # fmt: skip
STRATEGIES = (
    ("in_turn", N_("one after another")), ("together", N_("all at once")),
    ("round_robin", N_("in turn, each call one further")), ("weighted", N_("by weight")),
    ("longest_idle", N_("who has been free longest")),
)  # fmt: skip
CAUSES = (
    ("busy", N_("busy")), ("no_answer", N_("no answer")), ("rejected", N_("rejected")),
    ("unavailable", N_("unavailable")), ("not_found", N_("no such number")), ("normal", N_("normal end")),
)  # fmt: skip
FACTS = (
    ("repeat", N_("has called before")), ("spam", N_("spam score")), ("source", N_("source")),
    ("campaign", N_("campaign")), ("weekday", N_("weekday")), ("hour", N_("hour")),
)  # fmt: skip
TESTS = (("is", N_("is")), ("in", N_("is one of")), ("at_least", N_("at least")), ("at_most", N_("at most")))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

STEPS: Mapping[str, StepKind] = {
    "announce": StepKind(
        title=N_("Announcement"), about=N_("Answers the call and plays something."), parts=(_PROMPT, _NEXT),
        fresh={"prompt": _SAY},
    ),
    "consent": StepKind(
        title=N_("Consent to the recording"),
        about=N_("Says that the call is recorded and lets the caller refuse by a key."),
        parts=(_PROMPT, Part(name="refuse_digit", label=N_("Key that refuses"), kind="text"), _WAITS, _NEXT,
               Part(name="otherwise", label=N_("Who refuses goes to"), kind="link")),
        fresh={"prompt": _SAY, "refuse_digit": "9"},
    ),
    "menu": StepKind(
        title=N_("Menu"), about=N_("Lets the caller choose by keys."),
        parts=(_PROMPT, Part(name="choices", label=N_("Keys"), kind="ways", may_lack=False), _WAITS, _RETRIES, _WRONG,
               Part(name="otherwise", label=N_("Who presses nothing that fits goes to"), kind="link")),
        fresh={"prompt": _SAY, "choices": {}},
    ),
    "code": StepKind(
        title=N_("Code"), about=N_("Asks for a number of so many digits, such as a promo code."),
        parts=(_PROMPT, Part(name="length", label=N_("Digits"), kind="number"),
               Part(name="variable", label=N_("Kept as"), kind="text"), _WAITS, _RETRIES, _WRONG, _NEXT,
               Part(name="otherwise", label=N_("Who presses nothing that fits goes to"), kind="link")),
        fresh={"prompt": _SAY, "length": 6},
    ),
    "schedule": StepKind(
        title=N_("Hours"), about=N_("Goes one way when you are open, and another when you are not."),
        parts=(
            Part(name="schedule", label=N_("Hours of the client's"), kind="pick", source="/v1/schedules",
                 help=N_("One schedule that several flows share; leave the hours below empty then.")),
            Part(name="weekly", label=N_("Open"), kind="hours", help=N_("Such as 09:00-13:00, 14:00-18:00.")),
            Part(name="holidays", label=N_("Days of their own"), kind="days",
                 help=N_("One a line: 2026-12-25 for closed, 2026-12-24 09:00-12:00 for other hours.")),
            Part(name="overrides", label=N_("For a while"), kind="spans",
                 help=N_("One a line: 2026-07-01T00:00 2026-07-15T00:00 closed, or open.")),
            Part(name="time_zone", label=N_("Time zone"), kind="text", help=N_("Nothing: the client's.")),
            Part(name="open", label=N_("When open"), kind="link"),
            Part(name="closed", label=N_("When closed"), kind="link", may_lack=False),
        ),
        fresh={"weekly": {day: [["09:00", "18:00"]] for day in DAYS[:5]}},
    ),
    "ring": StepKind(
        title=N_("Ring"), about=N_("Rings targets until one answers."),
        parts=(_TARGETS, Part(name="strategy", label=N_("How"), kind="choice", choices=STRATEGIES), _RINGS,
               Part(name="progress_timeout_s", label=N_("Passed over if nothing rings within, seconds"),
                    kind="number"),
               Part(name="sticky_days", label=N_("Known callers first to whom they spoke with, days back"),
                    kind="number"),
               _WHISPER, _ACCEPT, Part(name="otherwise", label=N_("When nobody answers"), kind="link")),
        fresh={"targets": []},
    ),
    "queue": StepKind(
        title=N_("Queue"), about=N_("Keeps the caller on the line with music until a target is free."),
        parts=(_TARGETS, Part(name="music", label=N_("Music"), kind="prompt", may_lack=False),
               Part(name="max_wait_s", label=N_("Waits at most, seconds"), kind="number"),
               Part(name="max_length", label=N_("Callers at most"), kind="number"),
               Part(name="announce_every_s", label=N_("Says something every so many seconds"), kind="number"),
               Part(name="announce_position", label=N_("Tells the place in the queue"), kind="check"), _RINGS,
               _WHISPER, _ACCEPT, Part(name="otherwise", label=N_("When it is full or takes too long"), kind="link")),
        fresh={"targets": [], "music": {"kind": "file", "name": ""}},
    ),
    "voicemail": StepKind(
        title=N_("Voicemail"), about=N_("Plays something and records a message."),
        parts=(_PROMPT, Part(name="max_s", label=N_("At most, seconds"), kind="number"),
               Part(name="silence_s", label=N_("Ends after silence of, seconds"), kind="number"), _NEXT),
        fresh={"prompt": _SAY},
    ),
    "geo": StepKind(
        title=N_("Region"), about=N_("Goes by where the caller's number is from."),
        parts=(Part(name="match", label=N_("Beginnings of numbers and countries"), kind="ways", may_lack=False,
                    help=N_("Such as +7495, or GB.")), _ELSE),
        fresh={"match": {}},
    ),
    "condition": StepKind(
        title=N_("Condition"), about=N_("Goes one way if everything here holds, and another if not."),
        parts=(Part(name="when", label=N_("If"), kind="tests", may_lack=False),
               Part(name="then", label=N_("Then"), kind="link", may_lack=False), _ELSE),
        fresh={"when": []},
    ),
    "tag": StepKind(
        title=N_("Tag"), about=N_("Marks the call, so that you find such calls later."),
        parts=(Part(name="tags", label=N_("Tags"), kind="words", help=N_("With commas between.")), _NEXT),
        fresh={"tags": []},
    ),
    "set": StepKind(
        title=N_("Variables"), about=N_("Keeps words for conditions further on, and with the call."),
        parts=(Part(name="variables", label=N_("Variables"), kind="pairs", help=N_("One a line: department=sales.")),
               _NEXT),
        fresh={"variables": {}},
    ),
    "webhook": StepKind(
        title=N_("Ask a system of yours"), about=N_("Asks by HTTP what to do, while the caller hears ringing."),
        parts=(Part(name="url", label=N_("Address"), kind="text"), _WAITS,
               Part(name="choices", label=N_("What it may answer"), kind="ways", may_lack=False),
               Part(name="otherwise", label=N_("When it is late or answers anything else"), kind="link")),
        fresh={"url": "https://", "choices": {}},
    ),
    "goto": StepKind(
        title=N_("Another flow"), about=N_("Goes on with another flow of the same client, and does not come back."),
        parts=(Part(name="flow", label=N_("Flow"), kind="pick", source="/v1/flows", may_lack=False),),
        fresh={},
    ),
    "record": StepKind(
        title=N_("Recording"), about=N_("Turns recording on or off from here on."),
        parts=(Part(name="on", label=N_("Record"), kind="check"), _NEXT), fresh={"on": True},
    ),
    "hangup": StepKind(
        title=N_("End of the call"), about=N_("Ends the call."),
        parts=(Part(name="cause", label=N_("As"), kind="choice", choices=CAUSES),), fresh={"cause": "busy"},
    ),
}  # fmt: skip
