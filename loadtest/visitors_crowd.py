"""The crowd of `loadtest/visitors.py`: one process, patched for gevent, of visitors who open pages, stay and call.

It reads what to do as one JSON document from standard input, and writes what truly happened as lines of JSON to
standard output. Real HTTP to `/t/…`, each visitor from a loopback address of its own; real SIP and RTP through the
telephones of the embedded node.
"""

from gevent import monkey

monkey.patch_all()

# The patch comes before anything that opens a socket.
import json  # noqa: E402
import math  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.pool import Group  # noqa: E402

from dialtrace.demo.pages import PageRefused, Pages, Seen  # noqa: E402
from dialtrace.demo.visitors import ARRIVALS  # noqa: E402
from dialtrace.loadtest.visitors_plan import CrowdPlan, arrivals  # noqa: E402
from dialtrace.node.errors import NodeError  # noqa: E402
from dialtrace.node.proving import ProofCall, ProofTelephone  # noqa: E402

#: Well within the tail of the pool: with a longer pause a number would be free while its page is still open.
BEAT_EVERY_S = 2.0


def address_of(index: int) -> str:
    """A loopback address for each visitor, so that no limit of one address is met."""
    return f"127.{10 + index // 62_500 % 200}.{index // 250 % 250}.{1 + index % 250}"


@dataclass
class Crowd:
    """All that visit."""

    plan: CrowdPlan
    sites: list[Pages]
    telephone: ProofTelephone
    chance: random.Random
    began_s: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Until the last visitor has left and called."""
        group = Group()
        for index, at in enumerate(arrivals(self.plan, self.chance)):
            gevent.sleep(max(0.0, self.began_s + at - time.monotonic()))
            group.start(gevent.Greenlet(self._visit, self.plan.first_visitor + index))
        group.join()

    def _visit(self, index: int) -> None:
        chance, plan = random.Random(f"{self.plan.seed}-{index}"), self.plan
        query, referrer, source, campaign = ARRIVALS[chance.randrange(len(ARRIVALS))]
        device, address = ("mobile" if chance.random() < 0.6 else "desktop"), address_of(index)
        site, began_s = chance.randrange(len(self.sites)), time.monotonic()
        pages = self.sites[site]
        try:
            seen = pages.open(query, referrer, device, address=address)
        except PageRefused as fault:
            tell(kind="refused", why=str(fault))
            return
        tell(
            kind="visit", visit=seen.visit_id, site=site, number=seen.number, source=source, campaign=campaign,
            at_s=time.monotonic() - self.began_s, took_ms=(time.monotonic() - began_s) * 1000,
        )  # fmt: skip
        opened_s = time.monotonic()
        stay_s, calling = chance.expovariate(1 / plan.stay_s), Group()
        call_at_s = self._when_he_calls(chance, stay_s) if seen.number is not None else None
        if call_at_s is not None:
            calling.start(gevent.Greenlet(self._calls, pages, seen, index, device, address, chance, call_at_s, stay_s))
        self._stay(pages, seen, device, address, stay_s)
        tell(kind="left", visit=seen.visit_id, stayed_s=time.monotonic() - opened_s)
        calling.join()

    def _when_he_calls(self, chance: random.Random, stay_s: float) -> float | None:
        """Seconds after the page was opened: while he looks at it, or (a third of them) some time after."""
        if chance.random() >= self.plan.call_share:
            return None
        late_s = chance.lognormvariate(math.log(self.plan.late_s), 0.8)
        return stay_s + late_s if chance.random() < 1 / 3 else chance.uniform(0.2, 1.0) * stay_s

    def _stay(self, pages: Pages, seen: Seen, device: str, address: str, stay_s: float) -> None:
        until_s = time.monotonic() + stay_s
        try:
            while (left_s := until_s - time.monotonic()) > 0:
                gevent.sleep(min(left_s, BEAT_EVERY_S))
                if time.monotonic() < until_s:
                    pages.beat(seen, device, address=address)
            pages.leave(seen, device, address=address)
        except PageRefused as fault:
            tell(kind="refused", why=str(fault))

    def _calls(
        self,
        pages: Pages,
        seen: Seen,
        index: int,
        device: str,
        address: str,
        chance: random.Random,
        at_s: float,
        stay_s: float,
    ) -> None:
        gevent.sleep(at_s)
        if device == "mobile" and at_s < stay_s and chance.random() < 0.7:
            try:
                pages.click(seen, device, address=address)
            except PageRefused as fault:
                tell(kind="refused", why=str(fault))
            gevent.sleep(chance.uniform(0.5, 3.0))
        caller = f"+4477{index % 100_000_000:08d}"
        while True:
            call = ProofCall(edge=self.plan.edge, number=seen.number or "", caller=caller, token="", listen_s=1.0)
            moment_s = time.monotonic() - self.began_s
            try:
                heard = self.telephone.place(call)
            except NodeError as fault:
                tell(kind="call", visit=seen.visit_id, caller=caller, at_s=moment_s, outcome=str(fault), answered=False)
                return
            answered = heard.answered_ms is not None
            tell(
                kind="call", visit=seen.visit_id, caller=caller, at_s=moment_s, outcome=heard.outcome, answered=answered
            )
            if chance.random() >= self.plan.again_share:
                return
            gevent.sleep(chance.expovariate(1 / self.plan.late_s))


def tell(**said: Any) -> None:
    """One line of the truth."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main() -> None:
    plan = CrowdPlan.read(sys.stdin.read())
    telephone = ProofTelephone("127.0.0.1", plan.sip_port, caller="", answers=False)
    try:
        sites = [Pages(plan.api_url, token, plan.host) for token in plan.tokens]
        Crowd(plan, sites, telephone, random.Random(plan.seed)).run()
    finally:
        telephone.close()


if __name__ == "__main__":
    main()
