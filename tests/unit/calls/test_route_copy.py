"""The machine's copy of the routes: what was kept is found again, whole or not at all."""

import sqlite3
from uuid import UUID

import pytest

from dialtrace.calls.model import Route
from dialtrace.calls.routes import RouteChanges
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.workers.route_copy import CopyUnusable, RouteCopy, RouteCopyFile
from dialtrace.workers.route_keeper import RouteKeeper


def route(number=3, **values):
    made = {"status": "active", "flow_id": UUID(int=9), "flow_version": 2, "compiled": {"steps": ["\u2013", {"a": 1}]}}
    return Route(UUID(int=1), UUID(int=2), UUID(int=number), **(made | values))


BARE = Route(UUID(int=1), UUID(int=2), UUID(int=4), "released", None, None, None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "routes.db"


@pytest.fixture
def file(path):
    made = RouteCopyFile(path)
    yield made
    made.close()


@pytest.fixture
def copy(path):
    made = RouteCopy(path, now_s=lambda: 1_030.0)
    yield made
    made.close()


def test_given_routes_kept_then_each_is_found_as_it_was_with_the_copys_age(file, copy):
    assert file.keep({"+1": route(), "+2": BARE}, whole=True, synced_at_s=1_000.0) == 2
    assert copy.find("+1") == (route(), 30.0)
    assert copy.find("+2") == (BARE, 30.0)
    assert copy.find("+3") is None


def test_given_a_change_then_only_it_changes_and_a_whole_copy_forgets_what_is_gone(file, copy):
    file.keep({"+1": route(), "+2": BARE}, whole=True, synced_at_s=1_000.0)
    assert file.keep({"+1": route(5)}, whole=False, synced_at_s=1_020.0) == 2
    assert copy.find("+1") == (route(5), 10.0)
    assert copy.find("+2") == (BARE, 10.0)
    assert file.keep({"+1": route(5)}, whole=True, synced_at_s=1_025.0) == 1
    assert copy.find("+2") is None


def test_given_no_file_then_nothing_is_known_and_it_is_found_once_it_is_there(path, file):
    seconds = [100.0]
    copy = RouteCopy(path, monotonic_s=lambda: seconds[0])
    assert copy.find("+1") is None
    file.keep({"+1": route()}, whole=True, synced_at_s=0.0)
    seconds[0] += 5
    assert copy.find("+1") is not None
    copy.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE routes SET body = substr(body, 1, 20)",
        "UPDATE routes SET body = (SELECT body FROM routes WHERE e164 = '+2') WHERE e164 = '+1'",
        "UPDATE routes SET body = (SELECT body FROM routes WHERE e164 = '+2'),"
        " digest = (SELECT digest FROM routes WHERE e164 = '+2') WHERE e164 = '+1'",
    ],
    ids=["cut", "another's body", "another's row"],
)
def test_given_a_damaged_row_then_it_gives_no_route_instead_of_a_wrong_one(path, file, copy, damage):
    file.keep({"+1": route(), "+2": BARE}, whole=True, synced_at_s=1_000.0)
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    assert copy.find("+1") is None


def test_given_a_file_that_is_none_then_readers_know_nothing_and_the_writer_makes_it_anew(path, file):
    path.write_bytes(b"this is no database" * 500)
    copy = RouteCopy(path)
    assert copy.find("+1") is None
    with pytest.raises(CopyUnusable):
        file.keep({"+1": route()}, whole=True, synced_at_s=0.0)
    assert file.keep({"+1": route()}, whole=True, synced_at_s=0.0) == 1


def test_given_more_than_the_file_may_hold_then_it_stays_as_it_was(path):
    file = RouteCopyFile(path, most_bytes=64 * 1024)
    file.keep({"+1": route()}, whole=True, synced_at_s=1_000.0)
    many = {f"+{number}": route(compiled={"text": str(number) * 500}) for number in range(10_000, 12_000)}
    with pytest.raises(CopyUnusable, match="full"):
        file.keep(many, whole=False, synced_at_s=1_010.0)
    copy = RouteCopy(path, now_s=lambda: 1_030.0)
    assert copy.find("+1") == (route(), 30.0)
    assert copy.find("+10000") is None
    copy.close()
    file.close()


class Followed:
    """The database's answers, in order; None: it is away."""

    def __init__(self, *answers):
        self.answers, self.marks = list(answers), []

    def __call__(self, mark):
        self.marks.append(mark)
        answer = self.answers.pop(0)
        if answer is None:
            raise DatabaseUnavailable
        return answer


def test_given_a_database_that_goes_away_then_the_keeper_keeps_what_it_has_and_begins_anew_after_it(file, copy):
    changed = Followed(
        RouteChanges("1", {"+1": route(), "+2": BARE}), RouteChanges("2", {"+1": route(5)}), None,
        RouteChanges("7", {"+1": route(6)}),
    )  # fmt: skip
    keeper = RouteKeeper(file=file, routes_changed=changed, monotonic_s=lambda: 50.0, now_s=lambda: 1_000.0)
    for _ in range(3):
        keeper.follow()
    assert changed.marks == [None, "1", "2"]
    assert copy.find("+1") == (route(5), 30.0)
    assert copy.find("+2") is not None
    keeper.follow()
    assert changed.marks[-1] is None
    assert copy.find("+1") == (route(6), 30.0)
    assert copy.find("+2") is None, "it was read whole again"
