"""The node's counters, as mod_hash keeps them."""

from dialtrace.node.limits import Limits


def take(limits, holder, *, most=2, window_s=0, now_s=1000, key="r_a"):
    return limits.take(holder, key, most=most, window_s=window_s, now_s=now_s)


def test_given_a_maximum_when_it_is_held_then_nobody_else_gets_in_until_one_gives_back():
    limits = Limits()
    assert [take(limits, one) for one in "abc"] == [(1, 0), (2, 0), None]
    limits.release("a")
    assert take(limits, "c") == (2, 0)


def test_given_a_holder_when_it_asks_again_then_it_holds_the_resource_once():
    limits = Limits()
    assert [take(limits, "a", most=1) for _ in range(3)] == [(1, 0)] * 3
    limits.release("a")
    assert limits.usage("r_a") == 0


def test_given_no_maximum_when_taken_then_it_only_counts():
    limits = Limits()
    assert [take(limits, str(one), most=None) for one in range(3)] == [(1, 0), (2, 0), (3, 0)]


def test_given_a_rate_when_asked_too_often_then_refused_until_the_window_is_over():
    limits = Limits()
    assert [take(limits, one, window_s=10) for one in "abc"] == [(1, 1), (2, 2), None]
    for one in "abc":
        limits.release(one)
    assert take(limits, "d", window_s=10, now_s=1009) is None
    assert take(limits, "d", window_s=10, now_s=1010) == (1, 1)


def test_given_several_resources_when_a_call_ends_then_it_gives_back_all_and_one_only_when_named():
    limits = Limits()
    for key in ("r_a", "r_b"):
        take(limits, "x", key=key)
    limits.release("x", "r_a")
    assert (limits.usage("r_a"), limits.usage("r_b")) == (0, 1)
    limits.release("x")
    assert limits.usage("r_b") == 0


def test_given_a_maximum_of_none_at_all_when_asked_then_refused():
    assert take(Limits(), "a", most=0) is None
