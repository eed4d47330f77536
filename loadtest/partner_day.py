"""A partner's day: a system of an agency's own sets up hundreds of clients over HTTP, on a bad line.

    python -m dialtrace.loadtest.partner_day [--clients 500] [--numbers 20] [--url URL --key KEY]

Each client gets a target, a flow, a site, numbers, a webhook and a key of its own, one request each. Every request is
sent twice with its `Idempotency-Key`, and the second answer must be the first. One connection in ten is cut in the
middle: half of them before the request is whole, half before its answer is read; then it is sent again until it is
answered. At the end everything is counted: as many clients as were ordered, each of them whole, and nothing twice.

Without ``--url`` a platform of its own is brought up, and the requests a second are set against an empty view of the
same server. Ends with one line of JSON. Exit status: 0; 1 if the books do not balance; 2 if it could not run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dialtrace.apiclient import ApiClient
from dialtrace.clock import SystemClock
from dialtrace.loadtest.bench_end import ended
from dialtrace.loadtest.bench_pool_stage import ask_for, asking, running_api, running_stage
from dialtrace.loadtest.partner_line import Answered, Line
from dialtrace.tenancy.service import TenancyService

THREADS = 4
FIRST_NUMBER = 442030000000
EMPTY_VIEW_S = 4.0


@dataclass(frozen=True)
class Order:
    """What the day is to bring."""

    clients: int
    numbers: int
    cut_share: float
    seed: int


@dataclass
class Books:
    """What was sent and answered, from all threads."""

    requests: int = 0
    cuts: int = 0
    waited: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, line: Line, faults: Sequence[str]) -> None:
        with self.lock:
            self.requests += line.requests
            self.cuts += line.cuts
            self.waited += line.waited
            self.faults += faults


class Partner:
    """Sets up one client after another over a line of its own."""

    def __init__(self, line: Line, order: Order) -> None:
        self._line = line
        self._order = order
        self.faults: list[str] = []

    def set_up(self, index: int) -> None:
        """One client, whole."""
        client = self._made(index, "client", "/v1/clients", {"name": f"Client {index}", "time_zone": "Europe/London"})
        own = {"client_id": client["id"]}
        target = self._made(
            index, "target", "/v1/targets", {**own, "name": "Desk", "address": f"sip:desk{index}@pbx.example"}
        )
        steps = [{"type": "ring", "targets": [target["id"]]}]
        flow = self._made(
            index, "flow", "/v1/flows", {**own, "name": "Rings", "document": {"version": 1, "steps": steps}}
        )
        self._made(index, "site", "/v1/sites", {**own, "name": "Site", "domains": [f"client{index}.example"]})
        for which in range(self._order.numbers):
            number = f"+{FIRST_NUMBER + index * self._order.numbers + which}"
            body = {**own, "number": number, "flow_id": flow["id"], "label": f"{which}"}
            self._made(index, f"number-{which}", "/v1/numbers", body)
        self._made(index, "webhook", "/v1/webhooks", {**own, "url": f"https://client{index}.example/hook"}, ("secret",))
        self._made(index, "key", "/v1/keys", {**own, "role": "client", "name": "its own"}, ("token",))

    def _made(
        self, index: int, what: str, path: str, body: dict[str, Any], secrets: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Orders it, twice; what was answered."""
        key = f"day-{self._order.seed}-{index}-{what}"
        first = self._line.post(path, body, key)
        again = self._line.post(path, body, key)
        for problem in differences(first, again, secrets):
            self.faults.append(f"client {index}, {what}: {problem}")
        if first.status != 201:
            raise DayFailed(f"client {index}, {what}: {first.status} {first.document}")
        return first.document


class DayFailed(Exception):
    """A request was refused that should not have been."""


def differences(first: Answered, again: Answered, secrets: Sequence[str]) -> list[str]:
    """In what the second answer is not the first; secrets are shown once."""
    shown_once = dict.fromkeys(secrets)
    found = []
    if again.status != first.status:
        found.append(f"answered {first.status}, then {again.status} {again.document}")
    elif again.document | shown_once != first.document | shown_once:
        found.append("answered otherwise the second time")
    if not again.is_replay:
        found.append("was done a second time")
    return found


def run_day(make_line: Callable[[int], Line], order: Order) -> tuple[Books, float]:
    """Every client, by several threads; what came of it, and how many seconds it took."""
    books, waiting = Books(), iter(range(order.clients))
    lock = threading.Lock()

    def work(which: int) -> None:
        line = make_line(which)
        partner = Partner(line, order)
        while True:
            with lock:
                index = next(waiting, None)
            if index is None:
                break
            try:
                partner.set_up(index)
            except DayFailed as fault:
                partner.faults.append(str(fault))
        books.add(line, partner.faults)

    began_s = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        for one in [threads.submit(work, which) for which in range(THREADS)]:
            one.result()
    return books, time.monotonic() - began_s


def count_everything(own: ApiClient, order: Order) -> list[str]:
    """What does not balance: read back over the API, page by page."""
    clients = list(own.read_all("/v1/clients", limit=200))
    faults = []
    names = Counter(one["name"] for one in clients)
    wanted = {f"Client {index}" for index in range(order.clients)}
    if set(names) != wanted or any(count > 1 for count in names.values()):
        faults.append(f"{len(clients)} clients of {len(names)} names; {order.clients} were ordered")
    each = {"targets": 1, "flows": 1, "sites": 1, "numbers": order.numbers, "webhooks": 1, "keys": 1}
    for kind, count in each.items():
        owners: Counter[str | None] = Counter()
        for one in own.read_all(f"/v1/{kind}", limit=200):
            owners[one["client_id"]] += 1
        odd = [one["name"] for one in clients if owners[one["id"]] != count]
        if odd:
            faults.append(f"{len(odd)} clients have not exactly {count} of {kind}: {', '.join(odd[:5])}")
    return faults


def figures_of(books: Books, took_s: float, order: Order) -> dict[str, Any]:
    return {
        "clients": order.clients,
        "requests": books.requests,
        "requests_per_s": round(books.requests / took_s, 1),
        "connections_cut": books.cuts,
        "waits_for_the_first": books.waited,
        "took_s": round(took_s, 1),
    }


def day_of_its_own(order: Order) -> tuple[Books, dict[str, Any], dict[str, float]]:
    """On a platform that is brought up for it: PostgreSQL with its usual safety, the API under Granian."""
    with tempfile.TemporaryDirectory() as folder, running_stage(Path(folder)) as stage:
        tenancy = TenancyService(stage.database, SystemClock())
        agency = tenancy.create_agency("Partner")
        token = tenancy.create_key(agency.id, role="agency", name="partner")[1]
        quotas = {"DIALTRACE_API_REQUESTS_PER_MINUTE": "0", "DIALTRACE_API_AGENCY_REQUESTS_PER_MINUTE": "0"}
        with running_api(stage, threads=THREADS, settings=quotas) as address:
            empty = ask_for(EMPTY_VIEW_S, THREADS, lambda: asking(address, "/empty", b"{}")).per_s
            books, took_s = run_day(lambda which: Line(address, token, order.cut_share, order.seed + which), order)
            books.faults += count_everything(ApiClient(f"http://{address[0]}:{address[1]}", token), order)
    figures = {**figures_of(books, took_s, order), "empty_view_per_s": round(empty, 1)}
    return books, figures, {"http_vs_empty": round(figures["requests_per_s"] / empty, 3)}


def day_elsewhere(order: Order, url: str, token: str) -> tuple[Books, dict[str, Any], dict[str, float]]:
    """Against a platform that runs already; the key must be of an agency that has no clients yet."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    books, took_s = run_day(lambda which: Line(address, token, order.cut_share, order.seed + which), order)
    books.faults += count_everything(ApiClient(url, token), order)
    return books, figures_of(books, took_s, order), {}


def measure() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--numbers", type=int, default=20, help="of each client")
    parser.add_argument("--cut", type=float, default=0.1, help="share of connections that are cut in the middle")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--url", help="of a platform that runs; plain HTTP")
    parser.add_argument("--key", help="of an agency there that has no clients yet")
    given = parser.parse_args()
    order = Order(given.clients, given.numbers, given.cut, given.seed)
    books, figures, ratio = (
        day_elsewhere(order, given.url, given.key) if given.url and given.key else day_of_its_own(order)
    )
    for fault in books.faults[:20]:
        print(fault, file=sys.stderr)
    balanced = not books.faults
    print(json.dumps({"bench": "partner_day", "balanced": balanced, "figures": figures, "ratio": ratio}))
    return 0 if balanced else 1


if __name__ == "__main__":
    sys.exit(ended(measure))
