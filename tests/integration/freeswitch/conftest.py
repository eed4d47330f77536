"""One real FreeSWITCH for all tests of this folder; without one they are skipped, and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from dialtrace.db.engine import Database

from ..calls.conftest import Tenant
from ..node.phone import Dialog, Phone, Target
from .switch import RealSwitch, StubWorker, eventually, freeswitch_binary, running


@pytest.fixture(scope="session")
def real_switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSwitch]:
    binary = freeswitch_binary()
    if binary is None:
        pytest.skip("no FreeSWITCH here: set FREESWITCH_BIN or put freeswitch on PATH")
    with running(RealSwitch(tmp_path_factory.mktemp("freeswitch"), binary)) as switch:
        yield switch


@pytest.fixture
def switch(real_switch: RealSwitch) -> Iterator[RealSwitch]:
    """Every test leaves the switch without a call."""
    yield real_switch
    eventually(lambda: real_switch.channels() == 0)


@pytest.fixture
def worker(switch: RealSwitch) -> Iterator[StubWorker]:
    found = StubWorker(switch.worker_port)
    yield found
    found.close()


@pytest.fixture
def tenant(database: Database, owner_engine: Engine) -> Tenant:
    return Tenant(database, owner_engine)


@pytest.fixture
def phone() -> Iterator[Phone]:
    found = Phone()
    yield found
    found.close()


@pytest.fixture
def target() -> Iterator[Callable[..., Target]]:
    made: list[Target] = []

    def make(behave: Callable[[Dialog], None], **options: float) -> Target:
        made.append(Target(behave, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for found in made:
        found.close()
