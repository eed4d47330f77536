"""Visitors by a rate curve against a running platform: real HTTP leases, real SIP calls, and the truth about both.

    python -m dialtrace.loadtest.visitors [--seconds 240] [--rate 20] [--loss 0.01] [--pools 24]

Three acts on sites with a pool each, which is made for the loss that is asked for: a short one from which the recency
curve is learnt; one of full length, whose loss is held against the forecast and whose calls against the truth; and one
at three times the rate, after which no two visits may have held one number at one time. Ends with one line of JSON.

Loss comes in bursts: with one pool for all, two crowds drawn from one plan differ by more than a platform could be
wrong (by half a point, give or take). Several pools have their bursts at different times, so that what is measured on
all of them is near to what is to be expected. How near is told too: many crowds of the plan, and the very visitors who
came, with the time that each truly stayed, are sent through ideal pools on paper.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import fmean, stdev
from typing import Any

import click

from dialtrace.apiclient import ApiClient
from dialtrace.attribution.following import Follower
from dialtrace.attribution.teaching import Teacher
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.demo.provision import flow_documents
from dialtrace.demo.stage import Demo, DemoOptions, await_calm, running_platform, running_targets
from dialtrace.launch import free_port
from dialtrace.loadtest.calibration import binned, table
from dialtrace.loadtest.visitors_plan import CrowdPlan, Stay, drawn, forecast, lost_in_ideal, numbers_for

HOST = "shop.example"
#: Below what the API takes, since a real page's signs of life come each minute: these visitors give one every 2 s, and
#: a tail of minutes would take hours to show what this one shows in minutes. So it is put into the database by hand.
TAIL_S = 6
#: Crowds on paper.
CROWDS = 200
FIRST_NUMBER = 441632970000
SETTLE_S = 60.0
MOST_LOST_POINTS = 0.5

_OVERLAPS = """
SELECT count(*) FROM exposures a JOIN exposures b
  ON b.agency_id = a.agency_id AND b.number_id = a.number_id AND b.id <> a.id AND b.visit_id <> a.visit_id
 AND b.rung = 'exclusive' AND b.shown_at >= a.shown_at AND b.shown_at < a.seen_until
WHERE a.agency_id = %s AND a.rung = 'exclusive'
"""


@dataclass(frozen=True)
class Shop:
    """Where the visitors go."""

    own: ApiClient
    agency_id: uuid.UUID
    client_id: uuid.UUID
    tokens: tuple[str, ...]


def open_shop(demo: Demo, database: Database, targets: dict[str, str], pools: int, numbers: int) -> Shop:
    """An agency with sites and a pool for each, through the public API; but for the pools' tails."""
    operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
    agency = operator.post("/v1/agencies", {"name": "Crowd"})
    key = operator.post("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "crowd"})
    own = ApiClient(demo.plan.api_url, key["token"])
    client = own.post("/v1/clients", {"name": "Shop", "time_zone": "Europe/London"})["id"]
    document = {**flow_documents(own, client, targets)[0][1], "record": False}
    flow = own.post("/v1/flows", {"client_id": client, "name": "answered", "document": document})
    tokens = tuple(
        _open_site(own, database, agency["id"], client, flow["id"], range(first, first + numbers))
        for first in range(FIRST_NUMBER, FIRST_NUMBER + pools * numbers, numbers)
    )
    return Shop(own, uuid.UUID(agency["id"]), uuid.UUID(client), tokens)


def _open_site(
    own: ApiClient, database: Database, agency_id: str, client: str, flow_id: str, numbers: Iterable[int]
) -> str:
    """Its token."""
    pool = own.post(
        "/v1/pools",
        {"client_id": client, "name": "Shop", "flow_id": flow_id, "rest_s": 0, "shares": False},
    )
    with database.tenant(agency_id) as connection:
        connection.exec_driver_sql("UPDATE pools SET tail_s = %s WHERE id = %s", (TAIL_S, pool["id"]))
    ids = [
        own.post("/v1/numbers", {"client_id": client, "number": f"+{number}", "kind": "dynamic"})["id"]
        for number in numbers
    ]
    own.post(f"/v1/pools/{pool['id']}/numbers/add", {"number_ids": ids})
    site = own.post("/v1/sites", {"client_id": client, "name": "Shop", "domains": [HOST]})
    rules = {
        "places": [{"name": "header", "numbers": ["+441632960999"]}],
        "rules": [{"show": {"pool_id": pool["id"]}}],
    }
    own.put(f"/v1/sites/{site['id']}/rules/draft", {"rules": rules})
    own.post(f"/v1/sites/{site['id']}/rules/publish", {})
    token: str = site["token"]
    return token


@dataclass(frozen=True)
class Truth:
    """What a crowd did. ``stayed``: visit → how long."""

    visits: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    refused: list[str]
    stayed: dict[str, float]

    @property
    def lost(self) -> float:
        return sum(one["number"] is None for one in self.visits) / max(len(self.visits), 1)

    @property
    def stays(self) -> list[Stay]:
        """As they truly came and went."""
        return [
            Stay(one["at_s"], self.stayed[one["visit"]], one["site"])
            for one in self.visits
            if one["visit"] in self.stayed
        ]


def send_crowd(plan: CrowdPlan) -> Truth:
    """Until all have left and called."""
    done = subprocess.run(
        [sys.executable, "-m", "dialtrace.loadtest.visitors_crowd"],
        input=plan.to_json(), capture_output=True, text=True, timeout=plan.seconds * 2 + 300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise click.ClickException(f"the crowd came to grief: {done.stderr[-2000:]}")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    by_kind = {kind: [one for one in said if one["kind"] == kind] for kind in ("visit", "call", "refused", "left")}
    stayed = {one["visit"]: one["stayed_s"] for one in by_kind["left"]}
    return Truth(by_kind["visit"], by_kind["call"], [one["why"] for one in by_kind["refused"]], stayed)


@dataclass(frozen=True)
class Loss:
    """Shares of visits that found no number: measured; of the same visitors in ideal pools; of such crowds on average
    and by how much one of them differs from that, both on paper; forecast by the formula."""

    measured: float
    ideal: float
    typical: float
    spread: float
    forecast: float

    @property
    def without_luck(self) -> float:
        return self.measured - self.ideal + self.typical

    @property
    def points_off(self) -> float:
        return abs(self.measured - self.forecast) * 100

    @property
    def points_off_without_luck(self) -> float:
        return abs(self.without_luck - self.forecast) * 100

    def __str__(self) -> str:
        return (
            f"{self.measured:.2%} found no number; in ideal pools the same visitors: {self.ideal:.2%}, such crowds: "
            f"{self.typical:.2%} on average, one of them give or take {self.spread:.2%}; without this crowd's luck "
            f"{self.without_luck:.2%}; forecast {self.forecast:.2%}"
        )


def loss_of(plan: CrowdPlan, truth: Truth, numbers: int) -> Loss:
    """What a crowd has lost, and what it was to lose."""
    chance = random.Random(plan.seed)
    crowds = [lost_in_ideal(drawn(plan, chance), TAIL_S, numbers) for _ in range(CROWDS)]
    ideal = lost_in_ideal(truth.stays, TAIL_S, numbers)
    return Loss(truth.lost, ideal, fmean(crowds), stdev(crowds), forecast(plan, TAIL_S, numbers))


def await_calls(shop: Shop, callers: Sequence[str]) -> list[dict[str, Any]]:
    """The records of these calls, once all are there, or what there is when time is up."""
    wanted, deadline_s = set(callers), time.monotonic() + SETTLE_S
    while True:
        found = [one for one in shop.own.read_all("/v1/calls", limit=200) if one["caller"] in wanted]
        if len(found) >= len(callers) or time.monotonic() > deadline_s:
            return found
        time.sleep(1.0)


def judged(truth: Truth, cdrs: Sequence[dict[str, Any]]) -> list[tuple[float, bool]]:
    """Of each call whose visit was named: what was stated, and whether it was right."""
    visit_of = {call["caller"]: call["visit"] for call in truth.calls}
    return [
        (cdr["attribution"]["probability"], cdr["attribution"]["visit_id"] == visit_of[cdr["caller"]])
        for cdr in cdrs
        if cdr["attribution"] is not None and cdr["attribution"]["visit_id"] is not None
    ]


def sources_right(truth: Truth, cdrs: Sequence[dict[str, Any]]) -> int:
    """How many calls were given the source that their visitor truly came from."""
    came = {one["visit"]: (one["source"], one["campaign"]) for one in truth.visits}
    source_of = {call["caller"]: came[call["visit"]] for call in truth.calls}
    return sum(
        (cdr["attribution"]["source"]["source"], cdr["attribution"]["source"]["campaign"]) == source_of[cdr["caller"]]
        for cdr in cdrs
        if cdr["attribution"] is not None
    )


def match_again(database: Database, shop: Shop, cdrs: Sequence[dict[str, Any]]) -> None:
    """Matches calls by what is known now: revisions, where that says something else."""
    follower = Follower(database, SystemClock())
    with database.tenant(shop.agency_id) as connection:
        keys = [(uuid.UUID(one["id"]), datetime.fromisoformat(one["started_at"])) for one in cdrs]
        exact = connection.exec_driver_sql(
            "SELECT id, started_at FROM calls WHERE agency_id = %s AND id = ANY (%s::uuid[])",
            (shop.agency_id, [str(one) for one, _ in keys]),
        )
        follower.match_again(connection, shop.agency_id, [(row.id, row.started_at) for row in exact])


def overlaps(database: Database, shop: Shop) -> int:
    """Pairs of visits that held one number, each alone, at one time."""
    with database.tenant(shop.agency_id) as connection:
        return int(connection.exec_driver_sql(_OVERLAPS, (shop.agency_id,)).scalar_one())


@click.command()
@click.option("--seconds", default=240.0, show_default=True, help="Length of the act that is measured.")
@click.option("--rate", default=20.0, show_default=True, help="Visitors a second, at the height of the curve.")
@click.option("--loss", default=0.01, show_default=True, help="What the pool is made for.")
@click.option("--pools", default=24, show_default=True, help="Sites, each with a pool of its own.")
@click.option("--seed", default=1, show_default=True)
def main(seconds: float, rate: float, loss: float, pools: int, seed: int) -> None:
    """Print share matched, calibration, loss against forecast, and whether a live lease ever changed owner."""
    with (
        running_platform(DemoOptions(calls=0, rate=1.0, nodes=1, seed=seed)) as demo,
        running_targets(demo.folder / "sipp", "own") as targets,
    ):
        database = Database(demo.plan.database_url, pool_size=2, statement_timeout_ms=60_000)
        node = demo.plan.nodes[0].sip_address
        plan = CrowdPlan(
            api_url=demo.plan.api_url, tokens=("",) * pools, host=HOST, edge=node, sip_port=free_port(), seed=seed,
            first_visitor=0, seconds=seconds, rate=rate,
        )  # fmt: skip
        numbers = numbers_for(plan, TAIL_S, loss)
        shop = open_shop(demo, database, targets, pools, numbers)
        plan = replace(plan, tokens=shop.tokens)
        await_calm()
        report(demo, database, shop, plan, numbers)
        database.dispose()


def report(demo: Demo, database: Database, shop: Shop, plan: CrowdPlan, numbers: int) -> None:
    """The three acts, and what came of them."""
    print(
        f"{len(plan.tokens)} pools of {numbers} numbers for {plan.rate:.0f} visitors a second at the height, "
        f"tail {TAIL_S} s"
    )
    lesson = send_crowd(replace(plan, seconds=max(60.0, plan.seconds / 2)))
    await_calls(shop, [call["caller"] for call in lesson.calls if call["answered"]])
    learnt = Teacher(database, SystemClock()).learn_client(
        shop.agency_id, shop.client_id, datetime.now(UTC) + timedelta(seconds=1)
    )
    print(f"learnt from {len(lesson.calls)} calls of {len(lesson.visits)} visits: {learnt} fits")
    plan = replace(plan, first_visitor=1_000_000, seed=plan.seed + 1)
    truth = send_crowd(plan)
    loss = loss_of(plan, truth, numbers)
    answered = [call["caller"] for call in truth.calls if call["answered"]]
    cdrs = await_calls(shop, answered)
    at_once = judged(truth, cdrs)
    match_again(database, shop, cdrs)
    cdrs = await_calls(shop, answered)
    pairs = judged(truth, cdrs)
    print(f"{len(truth.visits)} visits: {loss}")
    right, right_sources = sum(right for _, right in pairs), sources_right(truth, cdrs)
    print(
        f"{len(truth.calls)} calls, {len(answered)} answered, {len(cdrs)} records; visit right {right} of {len(cdrs)}, "
        f"source right {right_sources}; at once, before anything was learnt by the agent: {sum(r for _, r in at_once)}"
    )
    print("calibration, by what was learnt:\n" + table(binned(pairs)))
    over = send_crowd(
        replace(plan, seconds=max(30.0, plan.seconds / 4), rate=plan.rate * 3, first_visitor=2_000_000, call_share=0.0)
    )
    changed = overlaps(database, shop)
    print(f"at three times the rate {len(over.visits)} visits, {over.lost:.1%} without a number; ", end="")
    print(f"live leases that changed owner: {changed}; refused requests: {len(truth.refused) + len(over.refused)}")
    stated = sum(share for share, _ in pairs)
    figures = {
        "visits": len(truth.visits), "lost": round(loss.measured, 4), "lost_ideal": round(loss.ideal, 4),
        "lost_without_luck": round(loss.without_luck, 4), "forecast": round(loss.forecast, 4),
        "points_off": round(loss.points_off, 2), "points_off_without_luck": round(loss.points_off_without_luck, 2),
        "spread_points": round(loss.spread * 100, 2), "calls": len(cdrs), "visit_right": right,
        "stated": round(stated, 1),
        "source_right": right_sources, "owners_changed": changed, "refused": len(truth.refused) + len(over.refused),
    }  # fmt: skip
    print(json.dumps({"bench": "visitors", "figures": figures, "ratio": {}}), flush=True)
    sys.exit(0 if changed == 0 and loss.points_off <= MOST_LOST_POINTS else 1)


if __name__ == "__main__":
    main()
