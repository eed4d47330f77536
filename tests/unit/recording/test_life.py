"""The life of a recording is one table, and the database's own check has the same words."""

from dialtrace.db.tables import recordings
from dialtrace.recording.life import BY_THE_RECORD, OPEN, STATES, TRANSITIONS, sources_of


def test_given_the_table_when_read_then_every_state_can_be_reached_and_left() -> None:
    reached = set().union(*TRANSITIONS.values())
    assert set(TRANSITIONS) == set(STATES)
    assert reached == set(STATES) - {"expected"}
    assert all(TRANSITIONS[state] for state in STATES)


def test_given_a_state_on_the_way_when_followed_then_it_ends_verified_or_absent() -> None:
    for state in OPEN:
        seen, todo = set(), [state]
        while todo:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo += TRANSITIONS[here]
        assert {"verified", "absent"} <= seen, state


def test_given_what_is_verified_when_anything_late_comes_then_only_erasing_moves_it() -> None:
    assert TRANSITIONS["verified"] == {"absent"}
    assert "verified" not in sources_of("uploading")
    assert sources_of("verified") == ["uploading", "stored"]


def test_given_what_the_record_may_move_then_the_table_allows_it() -> None:
    for state in BY_THE_RECORD:
        assert {"on_node", "absent"} <= TRANSITIONS[state]


def test_given_the_databases_check_then_it_has_the_same_states() -> None:
    [check] = [one for one in recordings.constraints if getattr(one, "name", "") == "ck_recordings_state"]
    assert all(f"'{state}'" in str(check.sqltext) for state in STATES)  # type: ignore[attr-defined]
    assert str(check.sqltext).count("'") == 2 * len(STATES)  # type: ignore[attr-defined]
