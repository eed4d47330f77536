"""Adds up what a question asks for: the sums of days where there are such, the records where there are not, and both
together to the unit. Which is read is no matter of the answer: what has gone to the archive is in neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection

from . import rollup_read_store, rollup_store, store
from .dictionary import MEASURES, Family
from .model import Key, Question
from .rollup_model import Coverage, Reading, caller_cut_of, cut_of, plan_reading
from .sharing import share_sums

Sums = dict[str, int | Decimal]


def both_sums(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    reading: Reading | None = None,
) -> tuple[dict[Key, Sums], Sums]:
    """By the question's dimensions, and as a whole. ``reading``: what is read from where, if not what is best; an empty
    one reads nothing but records."""
    if reading is None:
        reading = find_reading(connection, agency_id, client_id, question)
    if not question.by:
        return {}, _sums(connection, agency_id, client_id, question, reading, question.measures)[()]
    groups = _sums(connection, agency_id, client_id, question, reading, question.measures)
    # Every record is in one group, so only what does not add up is asked for once more.
    apart = {
        family: tuple(name for name in names if not MEASURES[name].adds_up)
        for family, names in question.measures.items()
    }
    total = _sums(connection, agency_id, client_id, replace(question, by=()), reading, apart)[()]
    for sums in groups.values():
        for name, value in sums.items():
            if name not in MEASURES or MEASURES[name].adds_up:
                total[name] = total.get(name, 0) + value
    for names in question.measures.values():
        for name in names:
            total.setdefault(name, 0)
    return groups, total


def find_reading(connection: Connection, agency_id: UUID, client_id: UUID | None, question: Question) -> Reading:
    """What of the question's days is summed up at this moment."""
    archived = rollup_store.archived_until(connection)
    states = rollup_store.find_states(connection, agency_id, client_id, question.first, question.last, archived)
    coverages = [
        Coverage(
            client_id=row["client_id"],
            covered_until=row["covered_until"] if row["is_current"] and row["is_kept"] else None,
            changed=tuple(row["changed"] or ()),
            kept_from=row["kept_from"],
        )
        for row in states
    ]
    return plan_reading(coverages, question.first, question.last)


def _sums(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    reading: Reading,
    wanted: Mapping[Family, Sequence[str]],
) -> dict[Key, Sums]:
    """Of these measures of all families, put side by side. Where one that was asked for has no row of a group, its sums
    are nought."""
    found: dict[Key, Sums] = {} if question.by else {(): {}}
    for family, measures in wanted.items():
        summed = tuple(name for name in measures if MEASURES[name].adds_up)
        if question.by and not summed:
            # Callers alone would leave out groups in which everybody withheld his number.
            summed = ("calls",)
        if summed:
            _put(found, _add_up(connection, agency_id, client_id, question, reading, family, summed))
        if "callers" in measures:
            _put(found, _callers(connection, agency_id, client_id, question, reading))
    for sums in found.values():
        for measures in wanted.values():
            for name in measures:
                sums.setdefault(name, 0)
    return found


def _add_up(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    reading: Reading,
    family: Family,
    measures: tuple[str, ...],
) -> Mapping[Key, Sums]:
    if family == "calls" and question.is_shared_out:
        found = share_sums(connection, agency_id, client_id, question, measures)
        return found or ({} if question.by else {(): {}})
    cut = cut_of(family, question)
    if cut is None or not reading.covered:
        return store.add_up(connection, agency_id, client_id, question, family=family, measures=measures)
    found = rollup_read_store.read_sums(
        connection, agency_id, client_id, question, reading, cut=cut, family=family, measures=measures
    )
    if reading.spans:
        younger = store.add_up(
            connection, agency_id, client_id, question, family=family, measures=measures, spans=reading.spans
        )
        for key, sums in younger.items():
            into = found.setdefault(key, dict.fromkeys(sums, 0))
            for name, value in sums.items():
                into[name] += value
    return found


def _callers(
    connection: Connection, agency_id: UUID, client_id: UUID | None, question: Question, reading: Reading
) -> Mapping[Key, Sums]:
    cut = caller_cut_of(question)
    if cut is None or not reading.covered:
        return store.add_up(connection, agency_id, client_id, question, family="calls", measures=("callers",))
    found = rollup_read_store.read_callers(connection, agency_id, client_id, question, reading, cut=cut)
    if reading.spans:
        for key, count in rollup_read_store.count_callers(
            connection, agency_id, client_id, question, reading, cut=cut
        ).items():
            found[key] = found.get(key, 0) + count
    return {key: {"callers": count} for key, count in found.items()}


def _put(found: dict[Key, Sums], added: Mapping[Key, Sums]) -> None:
    for key, sums in added.items():
        found.setdefault(key, {}).update(sums)
