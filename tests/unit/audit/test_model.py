"""What an entry of the audit log may say."""

from uuid import uuid4

import pytest

from dialtrace.audit.errors import EntryFaulty
from dialtrace.audit.model import Actor, NewEntry

ACTOR = Actor(kind="platform", name="tests")


@pytest.mark.parametrize("action", ["recording.listened", "recording.link.made", "person_data.erased"])
def test_given_an_action_of_a_thing_and_a_verb_when_noted_then_it_is_taken(action: str) -> None:
    assert NewEntry(actor=ACTOR, action=action, object_kind="recording", object_id=uuid4()).action == action


@pytest.mark.parametrize("action", ["", "listened", "Recording.Listened", "recording.", "a.b" * 40, "a.b\n"])
def test_given_anything_else_when_noted_then_refused(action: str) -> None:
    with pytest.raises(EntryFaulty, match=r"thing\.verb"):
        NewEntry(actor=ACTOR, action=action, object_kind="recording", object_id=None)


def test_given_details_that_are_a_document_when_noted_then_refused() -> None:
    with pytest.raises(EntryFaulty, match="2000 bytes"):
        NewEntry(actor=ACTOR, action="a.b", object_kind="x", object_id=None, details={"text": "x" * 2_000})
