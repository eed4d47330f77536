"""Block lists and limits as a node keeps them."""

from dataclasses import replace
from uuid import UUID

import pytest

from dialtrace.calls.model import Facts, Fuse, Route
from dialtrace.calls.plan import make_plan
from dialtrace.calls.routes import RuleChanges
from dialtrace.calls.rules import Rules, rules_file, rules_name
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.workers.rule_keeper import RuleFiles, RuleKeeper, held_against, rules_here

CLIENT, AGENCY, OPERATOR = UUID(int=1), UUID(int=2), UUID(OPERATOR_AGENCY)


def rules(scope=CLIENT, calls=None, rate=None, *entries):
    return Rules(scope, calls, rate, entries)


def test_given_rules_then_limits_come_first_and_nothing_but_known_entries_is_written():
    text = rules_file(rules(CLIENT, 3, 0, "number +74955550123", "withheld ", "prefix +7\nhangup", "number 1"))
    assert text == "dialtrace-rules 1\ncalls 3\nrate 0\nnumber +74955550123\nwithheld\n"
    assert rules_file(rules()) is None
    assert (rules_name(CLIENT), rules_name(OPERATOR)) == (f"{CLIENT}.rules", "operator.rules")


class Source:
    """Answers like the database; ``asked`` are the marks."""

    def __init__(self, *everything):
        self.everything, self.changed, self.asked, self.away = everything, (), [], False

    def __call__(self, since):
        self.asked.append(since)
        if self.away:
            raise DatabaseUnavailable("away")
        return RuleChanges(str(len(self.asked)), self.everything if since is None else self.changed)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "rules"


def test_given_rules_then_their_files_follow_and_others_cannot_read_who_may_not_call(tmp_path, folder):
    source = Source(rules(CLIENT, 3), rules(AGENCY, None, None, "withheld"))
    folder.mkdir()
    (folder / f"{UUID(int=9)}.rules").write_text("dialtrace-rules 1\nwithheld\n")
    keeper = RuleKeeper(node="n", spool=tmp_path, rules_changed=source, monotonic_s=lambda: 0.0)
    keeper.follow()
    assert sorted(path.name for path in folder.iterdir()) == [f"{CLIENT}.rules", f"{AGENCY}.rules"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    source.changed = (rules(CLIENT),)
    keeper.follow()
    assert [path.name for path in folder.iterdir()] == [f"{AGENCY}.rules"]
    assert source.asked == [None, "1"]


def test_given_a_database_that_is_away_then_files_stay_and_afterwards_all_is_read_anew(tmp_path, folder):
    source = Source(rules(CLIENT, 3))
    keeper = RuleKeeper(node="n", spool=tmp_path, rules_changed=source, monotonic_s=lambda: 0.0)
    keeper.follow()
    source.away = True
    keeper.follow()
    assert (folder / f"{CLIENT}.rules").read_text() == "dialtrace-rules 1\ncalls 3\n"
    source.away = False
    keeper.follow()
    assert source.asked == [None, "1", None]


ROUTE = Route(AGENCY, CLIENT, UUID(int=3), "active", UUID(int=4), 1, None)


@pytest.mark.parametrize(
    ("client", "agency", "operator", "caller", "blocked"),
    [
        (["number +74955550123"], [], [], "+74955550123", "number"),
        (["number +749555501234"], [], [], "+74955550123", None),
        ([], ["prefix +7495"], [], "+74955550123", "number"),
        ([], [], ["prefix +7"], "+74955550123", "number"),
        (["withheld"], [], [], "+74955550123", None),
        (["withheld"], ["prefix +7"], [], None, "caller_id"),
    ],
)
def test_given_no_database_when_a_call_enters_then_the_nodes_own_lists_hold(client, agency, operator, caller, blocked):
    texts = {
        scope: rules_file(rules(scope, None, None, *entries)) or ""
        for scope, entries in ((CLIENT, client), (AGENCY, agency), (OPERATOR, operator))
    }
    assert held_against(texts.__getitem__, ROUTE, Facts(caller=caller)).blocked == blocked


def test_given_no_database_when_a_call_enters_then_the_switch_counts_and_a_limit_of_none_refuses(tmp_path):
    files = RuleFiles(tmp_path)
    files.keep(RuleChanges("1", [rules(CLIENT, 3), rules(AGENCY, 30, 5)]), whole=True)
    facts = held_against(rules_here(str(tmp_path)), ROUTE, Facts(caller="+74955550123"))
    assert [(fuse.reason, fuse.counter) for fuse in facts.fuses] == [
        ("client_calls", f"hash fallback_calls {CLIENT} 3 !USER_BUSY"),
        ("agency_calls", f"hash fallback_calls {AGENCY} 30 !USER_BUSY"),
        ("agency_rate", f"hash fallback_rate {AGENCY} 5/1 !USER_BUSY"),
    ]
    assert (facts.over, facts.blocked) == (None, None)
    files.put(rules(CLIENT, 0))
    assert held_against(rules_here(str(tmp_path)), ROUTE, Facts()).over == "client_calls"


def test_given_fuses_then_a_plan_asks_them_first_and_marks_why_only_while_it_does():
    target = {"id": str(UUID(int=9)), "address": "sip:1@10.0.0.1", "ring_timeout_s": 5}
    flow = {"version": 1, "record": True, "steps": [{"type": "ring", "targets": [target]}]}
    facts = Facts(fuses=(Fuse("client_calls", "hash fallback_calls x 3 !USER_BUSY"),))
    plan = make_plan(
        replace(ROUTE, compiled=flow),
        call_id=str(UUID(int=5)),
        day="20260107",
        spool="/s",
        decided="worker",
        facts=facts,
    )
    opening, limit, after, *_ = plan.removeprefix("m:~:").split("~")
    assert "dialtrace_refused=client_calls;dialtrace_over=client_calls" in opening
    assert "dialtrace_record=no" in opening
    assert limit == r"limit:hash\sfallback_calls\sx\s3\s!USER_BUSY"
    assert after == "multiset:^^;dialtrace_refused=;dialtrace_over="
    assert "dialtrace_record=yes" in plan
