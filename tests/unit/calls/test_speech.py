"""Texts are found wherever a document says them, and faults name the place."""

import pytest

from dialtrace.calls.errors import FlowFaulty
from dialtrace.calls.speech import said_in, unsayable
from dialtrace.prompts.errors import CannotSay, VoiceUnknown
from dialtrace.prompts.model import Say


def say(text, **more):
    return {"kind": "say", "text": text, **more}


DOCUMENT = {
    "version": 2,
    "language": "ru",
    "steps": [
        {"type": "announce", "prompt": say("Здравствуйте")},
        {"type": "menu", "prompt": say("Press one", language="en", voice="en-us"), "invalid_prompt": say("Ещё раз")},
        {"type": "announce", "prompt": {"kind": "file", "name": "notice"}},
    ],
}


def test_given_a_document_when_searched_then_every_text_is_found_with_its_place_and_language():
    assert said_in(DOCUMENT) == {
        "/steps/0/prompt": Say("Здравствуйте", "ru"),
        "/steps/1/prompt": Say("Press one", "en", "en-us"),
        "/steps/1/invalid_prompt": Say("Ещё раз", "ru"),
    }


def test_given_a_document_of_the_first_version_when_searched_then_nothing_is_found():
    assert said_in({"version": 1, "steps": [{"type": "announce", "prompt": {"kind": "file", "name": "say"}}]}) == {}


def test_given_a_text_that_cannot_be_said_when_searched_then_the_fault_names_its_place():
    with pytest.raises(FlowFaulty) as caught:
        said_in({"steps": [{"prompt": say("two\nlines")}]})
    assert [fault.pointer for fault in caught.value.faults] == ["/steps/0/prompt/text"]


def test_given_a_voice_that_there_is_not_when_rendering_failed_then_each_place_that_asks_for_it_is_named():
    said = {"/steps/0/prompt": Say("Hello", "en", "nobody"), "/steps/1/prompt": Say("Hello", "en")}
    fault = CannotSay({said["/steps/0/prompt"].name: VoiceUnknown("no voice 'nobody'")})
    found = unsayable(said, fault).faults
    assert [(one.pointer, one.code, one.message) for one in found] == [
        ("/steps/0/prompt", "cannot_be_said", "no voice 'nobody'")
    ]
