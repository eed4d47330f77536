"""What a worker's one question costs the database: `dialtrace_decide` while many calls stand.

Run it by itself: ``python loadtest/bench_decide.py``. An embedded PostgreSQL of its own, one agency with limits for
itself and its client, and so many standing calls on four nodes whose monitors keep speaking for them, as real ones do.
One connection asks, one call after another; the clock is that of the asker, so a round trip is part of it. Prints one
line of JSON at the end: milliseconds (median and 99th percentile) for each number of standing calls.
"""

import argparse
import json
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import psycopg2.extras

from dialtrace.clock import SystemClock
from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database
from dialtrace.db.migrate import upgrade
from dialtrace.ids import new_id
from dialtrace.numbers.service import NumberService
from dialtrace.tenancy.service import TenancyService

NUMBER, CALLER = "+442079460001", "+442079460999"
NODES = ("node-1", "node-2", "node-3", "node-4")
ASK = "SELECT * FROM dialtrace_decide(%s, %s, %s::uuid, NULL)"


class Bench:
    """One number with limits that are never reached."""

    def __init__(self, url: str) -> None:
        database, clock = Database(url), SystemClock()
        tenancy = TenancyService(database, clock)
        self.agency = tenancy.create_agency("Bench").id
        self.client = tenancy.create_client(self.agency, "Its client", "UTC").id
        flow = new_id()
        compiled = {"version": 2, "needs": [], "steps": {}}
        with database.tenant(self.agency) as connection:
            for statement, values in (
                ("INSERT INTO flows (agency_id, id, client_id, name, document) VALUES (%s, %s, %s, 'x', '{}')",
                 (self.agency, flow, self.client)),
                ("SELECT dialtrace_publish_flow(%s, %s, 1, %s)", (self.agency, flow, json.dumps(compiled))),
            ):  # fmt: skip
                connection.exec_driver_sql(statement, tuple(map(str, values)))
            for scope, client in ((self.agency, None), (self.client, self.client)):
                connection.exec_driver_sql(
                    "INSERT INTO call_limits (agency_id, scope_id, client_id, max_calls, max_calls_per_s)"
                    " VALUES (%s, %s, %s, 100000, 10000)",
                    (str(self.agency), str(scope), client and str(client)),
                )
        NumberService(database, clock).add_number(self.agency, self.client, NUMBER, flow_id=flow)
        database.dispose()
        self._line = psycopg2.connect(url)
        self._line.autocommit = True
        self._cursor = self._line.cursor()

    def stand(self, count: int) -> None:
        """The monitors tell of so many calls, in batches of 500."""
        began = datetime.now(UTC).isoformat()
        for node in NODES:
            rows = [
                {
                    "agency_id": str(self.agency), "call_id": str(uuid.uuid4()), "client_id": str(self.client),
                    "number": NUMBER, "caller": CALLER, "state": "answered", "started_at": began, "source": {},
                }
                for _ in range(count // len(NODES))
            ]  # fmt: skip
            for first in range(0, len(rows), 500):
                self.put(node, rows[first : first + 500])

    def put(self, node: str, rows: list[dict[str, object]]) -> None:
        """One batch of a monitor."""
        self._cursor.execute("SELECT dialtrace_live_put(%s, %s, '[]', '[]', NULL)", (node, psycopg2.extras.Json(rows)))

    def beat(self) -> None:
        """Every monitor speaks for its calls, as they do every ten seconds."""
        for node in NODES:
            self._cursor.execute("SELECT dialtrace_live_seen(%s)", (node,))

    def ask(self, count: int) -> list[float]:
        """Milliseconds of each question; the monitors speak now and then between them."""
        taken = []
        for place in range(count):
            if place % 200 == 0:
                self.beat()
            values = (NUMBER, CALLER, str(uuid.uuid4()))
            began_s = time.perf_counter()
            self._cursor.execute(ASK, values)
            self._cursor.fetchall()
            taken.append((time.perf_counter() - began_s) * 1_000)
            # Fifty calls a second, so that what was let in just now is as much as it would be.
            time.sleep(0.02)
        return sorted(taken)

    def clear(self) -> None:
        for node in NODES:
            self._cursor.execute("SELECT dialtrace_live_put(%s, '[]', '[]', '[]', '{}'::uuid[])", (node,))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--standing", type=int, nargs="*", default=[0, 500, 5_000], help="how many calls stand")
    parser.add_argument("--questions", type=int, default=600, help="how often each is asked")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="dialtrace-bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_embedded(Path(folder) / "postgres")
        try:
            upgrade(server.url)
            bench = Bench(server.url)
            for standing in options.standing:
                bench.clear()
                bench.stand(standing)
                bench.ask(50)
                taken = bench.ask(options.questions)
                figures[f"p50_ms_{standing}"] = round(taken[len(taken) // 2], 3)
                figures[f"p99_ms_{standing}"] = round(taken[len(taken) * 99 // 100], 3)
        finally:
            server.stop()
    least, most = (figures[f"p50_ms_{count}"] for count in (options.standing[0], options.standing[-1]))
    print(json.dumps({"bench": "decide", "figures": figures, "ratio": {"most_over_least": round(most / least, 2)}}))


if __name__ == "__main__":
    main()
