"""What an installation needs beside itself: the object store and what it may do there, the API, certificates, and
numbers that a call of ours has proven.
"""

from __future__ import annotations

import hashlib
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from ..certificates import good_until, secured_hosts
from ..ids import new_id
from ..numbers.service import NumberService
from ..objectstore.errors import ObjectStoreError
from ..objectstore.model import FileSource, ObjectStore
from .model import Check, Finding, at_most

PROBE = b"dialtrace doctor"
CERTIFICATE_NOTE, CERTIFICATE_FAULT = timedelta(days=21), timedelta(days=3)
PROVEN_NOTE = timedelta(days=7)
TIMEOUT_S = 5.0


def store_checks(store: ObjectStore) -> list[tuple[str, Check]]:
    """The installation's own store; an agency's is checked when it is named."""
    return [("rights", lambda: rights(store))]


def rights(store: ObjectStore) -> Iterator[Finding]:
    """Writes an object, reads it back, removes it: what the agent and retention will do."""
    name = f"doctor/{new_id()}"
    done = "be reached"
    try:
        store.check()
        with TemporaryDirectory(prefix="dialtrace-doctor-") as folder:
            file = Path(folder) / "probe"
            file.write_bytes(PROBE)
            done = "be written to"
            receipt = store.put(name, FileSource(file), sha256=hashlib.sha256(PROBE).digest())
        done = "confirm what was written"
        store.confirm(name, receipt)
        done = "be read"
        with store.open(name) as stream:
            whole = stream.read()
        done = "remove an object"
        store.delete(name)
    except ObjectStoreError as error:
        with suppress(ObjectStoreError):
            store.delete(name)
        mend = "docs/howto/recordings.md lists the rights; credentials come from the usual AWS variables and files"
        yield Finding("store", "rights", "fault", f"it cannot {done}: {error}", mend)
        return
    if whole == PROBE:
        yield Finding("store", "rights", "well", "an object was written, confirmed, read and removed")
    else:
        yield Finding("store", "rights", "fault", "it gave back something else than was written", "use another store")


def api_checks(url: str, https: Sequence[str], now: Callable[[], datetime]) -> list[tuple[str, Check]]:
    """``https``: further addresses whose certificates count."""
    return [("readiness", lambda: readiness(url)), ("certificates", lambda: certificates((url, *https), now()))]


def readiness(url: str) -> Iterator[Finding]:
    """Whether it says that it can work."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/readyz", timeout=TIMEOUT_S) as answer:  # noqa: S310 (our own)
            yield Finding("api", "readiness", "well", f"{url}: {answer.status}")
    except OSError as error:
        mend = "start `dialtrace api`, or name its address with DIALTRACE_API_URL; GET /readyz says what it lacks"
        yield Finding("api", "readiness", "fault", f"{url}: {error}", mend)


def certificates(addresses: Sequence[str], now: datetime) -> Iterator[Finding]:
    """How long each one is still good for."""
    for host, port in secured_hosts(addresses):
        try:
            ends_at = good_until(host, port)
        except ssl.SSLError as error:
            mend = "renew it, with its whole chain"
            yield Finding("api", "certificates", "fault", f"{host}: {error.reason or error}", mend)
            continue
        left = ends_at - now
        yield at_most(
            "api", "certificates", f"{host}: good for {left.days} days", -left.total_seconds(),
            note=-CERTIFICATE_NOTE.total_seconds(), fault=-CERTIFICATE_FAULT.total_seconds(), mend="renew it",
        )  # fmt: skip


def number_checks(service: NumberService, per_day: int, now: Callable[[], datetime]) -> list[tuple[str, Check]]:
    """``per_day``: how often the settings let a number be proven."""
    return [("proofs", lambda: proofs(service, per_day, now()))]


def proofs(service: NumberService, per_day: int, now: datetime) -> Iterator[Finding]:
    """Numbers in service whose last proof failed, and those that nobody proved lately."""
    serving, last = service.list_in_service(), service.last_proofs()
    if not serving:
        yield Finding("numbers", "proofs", "note", "no number is in service", "POST /v1/numbers")
        return
    known = [(one.e164, last.get(one.number_id)) for one in serving]
    failed = [e164 for e164, proof in known if proof and proof.proven_at != proof.tried_at]
    stale = [
        e164 for e164, proof in known if proof is None or (proof.proven_at and now - proof.proven_at > PROVEN_NOTE)
    ]
    for e164 in failed[:20]:
        mend = f"dialtrace number prove {e164} says why"
        yield Finding("numbers", "proofs", "fault", f"the last call of our own to {e164} failed", mend)
    if len(failed) > 20:
        yield Finding("numbers", "proofs", "fault", f"and to {len(failed) - 20} more", "dialtrace number prove --all")
    if stale:
        mend = "dialtrace number prove --all" + ("" if per_day else "; DIALTRACE_PROOFS_PER_DAY=1 does it every day")
        found = f"{len(stale)} of {len(serving)} numbers were not proven within {PROVEN_NOTE.days} days"
        yield Finding("numbers", "proofs", "note", found, mend)
    elif not failed:
        yield Finding("numbers", "proofs", "well", f"all {len(serving)} numbers were proven lately")
