"""What the drills with an object store compare."""

from dialtrace.loadtest.chaos_store import FaultyProxy, compare


def found(lines):
    return [(line.expected, line.found) for line in lines]


def test_given_all_that_nodes_wrote_in_the_store_when_compared_then_it_balances() -> None:
    nodes = {"a-1.wav": b"1", "b-1.wav": b"2", "of-another-drill-1.wav": b"3"}
    assert found(compare(nodes, {"a-1.wav": b"1", "b-1.wav": b"2"}, {"a", "b"}, heard=2)) == [
        (2, 2), (2, 2), (2, 2),
    ]  # fmt: skip


def test_given_one_missing_and_one_changed_when_compared_then_both_show() -> None:
    nodes = {"a-1.wav": b"1", "a-2.wav": b"2", "b-1.wav": b"3"}
    assert found(compare(nodes, {"a-1.wav": b"1", "b-1.wav": b"other"}, {"a", "b"}, heard=3)) == [
        (3, 3), (3, 2), (3, 1),
    ]  # fmt: skip


def test_given_nothing_that_was_compared_when_recordings_were_heard_then_it_does_not_balance() -> None:
    assert found(compare({}, {}, {"a"}, heard=1))[0] == (1, 0)


class Unplugged(FaultyProxy):
    """Its dice only."""

    def _listen(self, port: int) -> None:
        self._server = type("Server", (), {"server_address": ("127.0.0.1", 1)})()


def test_given_an_ill_proxy_when_asked_often_then_a_third_is_spoiled_in_every_way_and_the_seed_repeats_it() -> None:
    proxy, twin = Unplugged(("127.0.0.1", 1), 7), Unplugged(("127.0.0.1", 1), 7)
    assert {proxy.fate() for _ in range(50)} == {"passed"}
    proxy.mood = twin.mood = "ill"
    fates = [proxy.fate() for _ in range(3_000)]
    assert fates == [twin.fate() for _ in range(3_000)]
    assert 900 < sum(fate != "passed" for fate in fates) < 1_100
    assert set(fates) == {"passed", "SlowDown", "InternalError", "cut", "cut after"}
