"""The floor: which tenant a transaction may be opened for while a request is answered."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from dialtrace.db.errors import TenantRefused
from dialtrace.db.floor import Floor, actor_setting, confined, need_no_floor, within

AGENCY, OTHER, CLIENT, SIBLING = uuid4(), uuid4(), uuid4(), uuid4()


def test_given_no_floor_when_opened_then_anything_goes() -> None:
    assert within(AGENCY, None) == (AGENCY, None)
    assert within(str(OTHER), str(CLIENT)) == (OTHER, CLIENT)
    need_no_floor()
    assert actor_setting() == ""


def test_given_an_agencys_floor_when_opened_then_its_clients_and_nobody_elses() -> None:
    with confined(Floor(AGENCY, None)):
        assert within(AGENCY, CLIENT) == (AGENCY, CLIENT)
        with pytest.raises(TenantRefused):
            within(OTHER, None)
        with pytest.raises(TenantRefused):
            need_no_floor()
    assert within(OTHER, None) == (OTHER, None)


def test_given_a_clients_floor_when_opened_for_the_agency_then_it_is_the_clients() -> None:
    with confined(Floor(AGENCY, CLIENT)):
        assert within(AGENCY, None) == within(str(AGENCY), str(CLIENT)) == (AGENCY, CLIENT)
        with pytest.raises(TenantRefused):
            within(AGENCY, SIBLING)


def test_given_an_actor_when_opened_then_he_is_named_and_nothing_else_gets_in() -> None:
    with confined(None, f"key|{AGENCY}|2001:db8::1|req-1"):
        assert actor_setting() == f"; SET LOCAL dialtrace.actor = 'key|{AGENCY}|2001:db8::1|req-1'"
    for odd in ("key|'; DROP TABLE calls --", "a\nb", "é"):
        with pytest.raises(AssertionError), confined(None, odd):
            pass


def test_given_a_fault_inside_or_another_thread_when_asked_then_no_floor_is_left() -> None:
    def fails() -> None:
        with confined(Floor(AGENCY, CLIENT)):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    need_no_floor()
    found = []
    with confined(Floor(AGENCY, CLIENT)):
        other = threading.Thread(target=lambda: found.append(within(OTHER, None)))
        other.start()
        other.join()
    assert found == [(OTHER, None)]
