"""From where on a lease looks for a number."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from dialtrace.pool import oldest
from dialtrace.pool.oldest import FRESH_S, OldestFree

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_given_leases_one_after_another_then_each_begins_where_the_last_one_found_and_now_and_then_anew():
    found, pool = OldestFree(), uuid4()
    assert found.of(pool, 0.0) is None
    found.note(pool, NOON, 0.0)
    assert found.of(pool, FRESH_S / 2) == NOON
    found.note(pool, NOON + timedelta(seconds=1), FRESH_S / 2)
    assert found.of(pool, FRESH_S * 0.9) == NOON + timedelta(seconds=1)
    # From the beginning, although there was a lease a moment ago.
    assert found.of(pool, FRESH_S * 1.1) is None
    found.note(pool, NOON, FRESH_S * 1.1)
    assert found.of(pool, FRESH_S * 1.2) == NOON


def test_given_nothing_was_found_or_another_pool_then_it_begins_at_the_beginning():
    found, pool = OldestFree(), uuid4()
    assert not found.knows(pool)
    found.note(pool, NOON, 0.0)
    assert found.knows(pool)
    assert found.of(uuid4(), 0.1) is None
    found.forget(pool)
    found.forget(pool)
    assert found.of(pool, 0.1) is None


def test_given_more_pools_than_are_kept_then_there_are_never_more(monkeypatch):
    monkeypatch.setattr(oldest, "MOST_POOLS", 3)
    found = OldestFree()
    keys = [uuid4() for _ in range(5)]
    for key in keys:
        found.note(key, NOON, 0.0)
    assert sum(found.of(key, 0.0) is not None for key in keys) <= 3
    assert found.of(keys[-1], 0.0) == NOON
