"""What may be killed, and when."""

import pytest

from dialtrace.demo.kills import Kill, Killer, KillFaulty, parse_kill
from dialtrace.supervisor import ChildSpec, Supervisor


def test_given_a_name_and_a_moment_then_that_is_the_kill() -> None:
    assert parse_kill("worker-1@6.5") == Kill("worker-1", 6.5)


@pytest.mark.parametrize("text", ["", "worker-1", "worker-1@", "@3", "worker-1@-3", "worker-1@x", "Worker@3"])
def test_given_anything_else_then_it_says_what_it_should_look_like(text: str) -> None:
    with pytest.raises(KillFaulty, match="NAME@SECONDS"):
        parse_kill(text)


def test_given_moments_that_have_come_then_each_process_is_killed_once() -> None:
    with Supervisor() as supervisor:
        supervisor.start([ChildSpec(name, ["sleep", "60"]) for name in ("one", "two")])
        killer = Killer(supervisor, [Kill("two", 9.0), Kill("one", 1.0)])
        killer(0.5)
        assert killer.done == []
        killer(1.2)
        killer(1.4)
        assert [kill.name for kill in killer.done] == ["one"]
        supervisor.children["one"].await_end()
        assert (supervisor.children["one"].alive, supervisor.children["two"].alive) == (False, True)


def test_given_a_name_that_no_process_has_then_it_says_which_there_are() -> None:
    with Supervisor() as supervisor:
        supervisor.start([ChildSpec("one", ["sleep", "60"])])
        with pytest.raises(KillFaulty, match="there are one"):
            Killer(supervisor, [Kill("two", 1.0)])
