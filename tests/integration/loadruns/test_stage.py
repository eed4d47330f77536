"""Offering calls and searching, against a target of SIPp's alone: the generator is tried here, not a platform."""

import re
import shutil
import time
from contextlib import contextmanager

import pytest

from dialtrace.loadruns.allow import AllowList
from dialtrace.loadruns.errors import GeneratorFailed
from dialtrace.loadruns.plan import plan_calls
from dialtrace.loadruns.profile import Profile
from dialtrace.loadruns.run import run_profile
from dialtrace.loadruns.stage import END_WITHIN_S, running_stage, stop_when
from dialtrace.loadruns.system import System

pytestmark = pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")

PROFILE = """
name = "direct"
[rate]
steps = [{ for_s = 4, from_cps = 3 }]
[talk]
hold_s = 1
audio = "none"
[[targets]]
name = "desk"
behaviour = "BEHAVIOUR"
ring_s = 0.1
[[calls]]
name = "answered"
share = 1
targets = ["desk"]
[stop]
window_s = 2
failed = 0.5
setup_ms = 1000
"""


class Direct(System):
    """Takes the first host's target for the node."""

    def provision(self, profile, uris):
        host, port = re.fullmatch(r"sip:desk@([0-9.]+):([0-9]+)", uris[0]["desk"]).groups()
        self.nodes[:] = [(host, int(port))]
        self.dialled = {"answered": ["+441632960100"]}


@contextmanager
def direct(profile, key, hosts):
    yield Direct([], None, None)


def profile_of(behaviour="answers", more=""):
    return Profile.read(PROFILE.replace("BEHAVIOUR", behaviour) + more, "direct.toml")


@pytest.fixture
def stage():
    with running_stage(profile_of(), AllowList(), "", direct) as one:
        yield one


def test_given_two_offers_on_one_stage_then_each_has_its_own_calls_and_ports_come_back(stage):
    taken = set(stage.taken)
    for _ in range(2):
        said = []
        offered = stage.offer(plan_calls(stage.profile), say=said.append)
        assert offered.stopped == ""
        assert [call.status for call in offered.calls] == [200] * 12
        assert all(call.good for call in offered.calls)
        (counted,) = offered.counted.values()
        assert (counted.created, counted.failed) == (12, 0)
        assert said[-1].startswith("12 of 12 calls sent")
        assert stage.taken == taken


def test_given_a_generator_that_dies_then_the_offer_says_which(stage):
    def kill(seen, _now_s):
        if any(call.sent_s for call in seen):
            for target in stage.targets:
                target.running.signal("KILL")
        return ""

    with pytest.raises(GeneratorFailed, match="target-desk ended with status -9"):
        stage.offer(plan_calls(stage.profile), lost=kill)


def test_given_a_target_that_hears_nothing_then_the_run_ends_before_its_time_and_its_callers_with_it():
    profile = profile_of("dead", "[bounds]\nseconds = 200\n").at_most(3)
    long = profile.model_copy(
        update={
            "rate": profile.rate.model_copy(update={"steps": [profile.rate.steps[0].model_copy(update={"for_s": 100})]})
        }
    )
    look, said_s = stop_when(long), []

    def lost(calls, now_s):
        why = look(calls, now_s)
        said_s.extend([now_s] if why else [])
        return why

    with running_stage(long, AllowList(), "", direct) as stage:
        began_s = time.monotonic()
        offered = stage.offer(plan_calls(long), lost=lost)
        assert "failed or heard nothing" in offered.stopped
        assert time.monotonic() - began_s < 90
        assert sum(call.sent_s is not None for call in offered.calls) < 200
        # A call that heard nothing is given up; none begins after the end.
        assert all(call.sent_s is None or call.sent_s < said_s[0] + END_WITHIN_S for call in offered.calls)


@pytest.mark.timeout(300)
def test_given_a_search_then_it_climbs_to_what_may_be_tried_and_reports_each_step():
    more = "[search]\nfirst_cps = 3\nmost_cps = 4\nstep_s = 2\nsetup_p99_ms = 60000\nwithin_s = 200\n"
    said = []
    report = run_profile(profile_of(more=more), AllowList(), key="", open_system=direct, say=said.append)
    search = report["search"]
    assert search["found_cps"] == [4.0], said
    assert search["agrees"]
    assert search["at_ceiling"]
    assert report["kept"]
    assert [step["cps"] for step in search["steps"]] == [3.0, 4.0]
