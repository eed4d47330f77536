"""Whoever is named as an eraser is registered, and every copy's format has somebody who can rewrite it."""

from pathlib import Path

import pytest

from dialtrace.objectstore.folder import FolderStore
from dialtrace.privacy.holdings import HOLDINGS, NODE_HOLDINGS
from dialtrace.services.persons import build_holders

#: `mentions` and `rows`: tables_walk, for every table alike. `requests`: the room itself. `spool`: the agent's sweep.
WITHOUT_A_HOLDER = {"mentions", "rows", "requests", "spool"}


@pytest.mark.parametrize("table", [name for name, held in {**HOLDINGS, **NODE_HOLDINGS}.items() if held.by])
def test_given_a_table_with_personal_values_then_who_erases_it_is_registered(table, tmp_path: Path):
    held = {**HOLDINGS, **NODE_HOLDINGS}[table]
    registered = build_holders(None, FolderStore(tmp_path), None)  # type: ignore[arg-type]
    assert held.by in {*registered, *WITHOUT_A_HOLDER}, (
        f"{table}: nobody is registered as {held.by!r} in services.build_holders"
    )


def test_given_the_records_then_they_are_asked_last(tmp_path: Path):
    assert list(build_holders(None, FolderStore(tmp_path), None))[-1] == "calls"  # type: ignore[arg-type]
