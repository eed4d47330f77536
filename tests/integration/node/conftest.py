"""One node for all these tests, with a worker, telephones and an ear on its events. It must end without a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .phone import Dialog, Phone, Target
from .switch import Events, Switch, Worker


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.close()


@pytest.fixture(scope="session")
def switch(tmp_path_factory: pytest.TempPathFactory, worker: Worker) -> Iterator[Switch]:
    found = Switch(tmp_path_factory.mktemp("node"), worker.port)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def events(switch: Switch) -> Iterator[Events]:
    found = Events(switch.event_port)
    yield found
    found.close()


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
