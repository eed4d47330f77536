"""The worker's view of routes: the database first, the last-known copy when it fails, nothing made up."""

from uuid import UUID

import gevent
import pytest

from dialtrace.calls.model import Route
from dialtrace.db.errors import DatabaseRefuses, DatabaseUnavailable
from dialtrace.workers.routes import REST_S, RouteNotKnown, RouteReader

FIRST, SECOND = (Route(UUID(int=1), UUID(int=2), UUID(int=n), "active", None, None, None) for n in (3, 4))


class Directory:
    """Routes that can be asked for, unless there is trouble."""

    def __init__(self):
        self.routes = {"+1": FIRST, "+2": SECOND}
        self.trouble = None
        self.asked = []

    def __call__(self, e164):
        self.asked.append(e164)
        if self.trouble is not None:
            self.trouble()
        return self.routes.get(e164)


class Seconds:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def clock():
    return Seconds()


@pytest.fixture
def reader(directory, clock):
    return RouteReader(directory, timeout_s=0.005, most_copies=2, monotonic_s=clock)


def raises(error):
    def trouble():
        raise error

    return trouble


def test_given_a_database_that_answers_then_its_word_counts_even_if_a_copy_differs(reader, directory):
    assert reader.read("+1").route == FIRST
    directory.routes["+1"] = SECOND
    found = reader.read("+1")
    assert (found.route, found.source) == (SECOND, "database")


@pytest.mark.parametrize(
    "trouble",
    [raises(DatabaseUnavailable()), raises(DatabaseRefuses()), lambda: gevent.sleep(5)],
    ids=["unavailable", "refuses", "silent"],
)
def test_given_a_database_in_trouble_then_the_copy_answers_and_says_how_old_it_is(reader, directory, clock, trouble):
    reader.read("+1")
    directory.trouble = trouble
    clock.now_s += 30
    found = reader.read("+1")
    assert (found.route, found.source, found.age_s) == (FIRST, "copy", 30)


def test_given_trouble_and_a_number_never_read_then_nothing_is_made_up(reader, directory):
    directory.trouble = raises(DatabaseUnavailable())
    with pytest.raises(RouteNotKnown):
        reader.read("+1")


def test_given_trouble_a_moment_ago_then_a_copy_answers_without_asking_and_later_it_asks_again(
    reader, directory, clock
):
    reader.read("+1")
    directory.trouble = raises(DatabaseUnavailable())
    reader.read("+1")
    reader.read("+1")
    assert len(directory.asked) == 2
    clock.now_s += REST_S
    directory.trouble = None
    assert reader.read("+1").source == "database"


def test_given_a_number_that_is_nobodys_any_more_then_its_copy_is_gone_too(reader, directory):
    reader.read("+1")
    del directory.routes["+1"]
    assert reader.read("+1").route is None
    directory.trouble = raises(DatabaseUnavailable())
    with pytest.raises(RouteNotKnown):
        reader.read("+1")


def test_given_more_numbers_than_copies_then_the_one_read_longest_ago_leaves(reader, directory):
    directory.routes["+3"] = FIRST
    for number in ("+1", "+2", "+1", "+3"):
        reader.read(number)
    directory.trouble = raises(DatabaseUnavailable())
    assert reader.read("+1").source == "copy"
    assert reader.read("+3").source == "copy"
    with pytest.raises(RouteNotKnown):
        reader.read("+2")


def test_given_a_fault_of_ours_then_it_is_not_taken_for_the_databases(reader, directory):
    reader.read("+1")
    directory.trouble = raises(KeyError("bug"))
    with pytest.raises(KeyError):
        reader.read("+1")


def test_given_somebody_elses_deadline_then_it_passes_through(reader, directory):
    theirs = gevent.Timeout(60)
    directory.trouble = raises(theirs)
    with pytest.raises(gevent.Timeout) as caught:
        reader.read("+1")
    assert caught.value is theirs


def test_given_trouble_and_a_route_on_disk_then_a_worker_that_never_read_it_answers_from_there(directory, clock):
    reader = RouteReader(directory, find_on_disk={"+1": (SECOND, 12.0)}.get, monotonic_s=clock)
    directory.trouble = raises(DatabaseUnavailable())
    found = reader.read("+1")
    assert (found.route, found.source, found.age_s) == (SECOND, "disk", 12.0)
    assert reader.read("+1").source == "disk"
    assert len(directory.asked) == 1, "a database in trouble is left alone for a moment"


@pytest.mark.parametrize(("age_on_disk_s", "source"), [(10.0, "disk"), (50.0, "copy")])
def test_given_two_copies_then_the_newer_one_answers(directory, clock, age_on_disk_s, source):
    reader = RouteReader(directory, find_on_disk={"+1": (SECOND, age_on_disk_s)}.get, monotonic_s=clock)
    reader.read("+1")
    clock.now_s += 30
    directory.trouble = raises(DatabaseUnavailable())
    assert reader.read("+1").source == source
