"""The fallback script runs as on the switch, and a script can reach nothing it does not need."""

import time
from importlib.resources import files
from pathlib import Path

import pytest

from dialtrace.node.errors import ScriptFailed
from dialtrace.node.scripts import Scripts

CALL = "8adbf110-dccb-4047-b40c-ecda6bb8a575"


class Variables(dict[str, str]):
    def set(self, name: str, value: str | None) -> None:
        self[name] = value or ""


def fallback(spool: Path, **variables: str) -> Variables:
    found = Variables({"uuid": CALL, "dialtrace_dialled": "74951234567", **variables})
    folder = Path(str(files("dialtrace.freeswitch"))) / "scripts"
    Scripts(folder, spool, {"dialtrace_spool": str(spool)}).run("dialtrace_fallback.lua", found)
    return found


def keep_plans(spool: Path, *lines: str, number: str = "74951234567") -> None:
    path = spool / "plans" / number[-3:] / f"{number}.plan"
    path.parent.mkdir(parents=True)
    path.write_text("dialtrace-plans 1\n" + "\n".join(lines) + "\n")


def test_given_plans_for_several_spans_when_the_fallback_runs_then_the_one_of_now_is_taken_with_its_marks_filled(
    tmp_path: Path,
) -> None:
    now = int(time.time())
    keep_plans(
        tmp_path,
        f"{now - 20} {now - 10} start hangup:PAST",
        f"{now - 10} {now + 50} ring hangup:RING",
        f"{now - 10} {now + 50} start m:~:set:x=@CALL@/@DAY@/@CALL@",
        f"{now - 10} {now + 50} start hangup:SECOND",
    )
    day = time.strftime("%Y%m%d", time.gmtime())
    found = fallback(tmp_path)
    assert found["dialtrace_plan"] == f"m:~:set:x={CALL}/{day}/{CALL}"
    assert found["dialtrace_fallback"] == "plan"
    assert fallback(tmp_path, dialtrace_step="2")["dialtrace_plan"] == "hangup:RING"


_POINTS = ("start", "ring", "m", "m=2", "m=2/given", "m/none", "c=9", "q=@begin")


@pytest.mark.parametrize(
    ("step", "result", "consent", "point"),
    [
        ("", "", "", "start"),
        ("m", "2", "", "m=2"),
        ("m", "2", "refused", "m=2"),
        ("m", "2", "given", "m=2/given"),
        ("m", "3", "given", "m"),
        ("m", "", "given", "m"),
        ("m", "3", "", "m/none"),
        ("c", "9", "", "c=9"),
        ("c", "", "", "ring"),
        ("q", "@begin", "", "q=@begin"),
        ("nowhere", "2", "", "ring"),
        ("m", "2 9 x", "", "m/none"),
    ],
)
def test_given_where_a_call_stands_when_the_fallback_runs_then_the_nearest_point_is_taken(
    step: str, result: str, consent: str, point: str, tmp_path: Path
) -> None:
    keep_plans(tmp_path, *(f"0 4102444800 {one} {one}" for one in _POINTS))
    variables = {"dialtrace_step": step, "dialtrace_result": result, "dialtrace_consent": consent}
    assert fallback(tmp_path, **variables)["dialtrace_plan"] == point


def test_given_a_flow_whose_spans_are_all_over_when_a_call_enters_then_it_rings_at_least(tmp_path: Path) -> None:
    now = int(time.time())
    keep_plans(tmp_path, f"{now - 20} {now - 10} start PAST", "0 4102444800 ring RING")
    assert fallback(tmp_path)["dialtrace_plan"] == "RING"


@pytest.mark.parametrize(
    ("before", "numbers", "tags"),
    [
        ({}, ("1", "2", f"{CALL}-1.wav,{CALL}-2.wav"), "new"),
        (
            {"dialtrace_segments": "2", "dialtrace_tags": "a,b-c"},
            ("3", "4", f"{CALL}-1.wav,{CALL}-2.wav,{CALL}-3.wav,{CALL}-4.wav"),
            "a,b-c,new",
        ),
        (
            {"dialtrace_segments": "2;x", "dialtrace_tags": "%1~hangup"},
            ("1", "2", f"{CALL}-1.wav,{CALL}-2.wav"),
            "new",
        ),
    ],
)
def test_given_marks_of_a_call_in_the_middle_of_its_flow_then_they_go_on_from_what_was_before(
    before: dict[str, str], numbers: tuple[str, str, str], tags: str, tmp_path: Path
) -> None:
    keep_plans(tmp_path, "0 4102444800 m @SEG1@/@SEG2@/@RECORDINGS2@/@TAGS@new/@DAY@")
    found = fallback(tmp_path, dialtrace_step="m", dialtrace_started="1767312000000000", **before)
    assert found["dialtrace_plan"] == "/".join([*numbers, tags, "20260102"])


OWNER = "dialtrace_agency=aa-1;dialtrace_client=cc-2;dialtrace_number=dd-3"
PLAN = f"m:~:multiset:^^;{OWNER};x=y~bridge:z"


def keep_rules(spool: Path, **scopes: str) -> None:
    (spool / "rules").mkdir()
    for scope, lines in scopes.items():
        text = "\n".join(["dialtrace-rules 1", *lines.split("|"), ""])
        (spool / "rules" / f"{scope.replace('_', '-')}.rules").write_text(text)


@pytest.mark.parametrize(
    ("rules", "caller", "refused"),
    [
        ({"cc_2": "number +74955550123"}, "+74955550123", "blocked_number"),
        ({"cc_2": "number +74955550123"}, "74955550123", "blocked_number"),
        ({"cc_2": "number +74955550123"}, "+749555501234", None),
        ({"aa_1": "prefix +7495"}, "0074955550123", "blocked_number"),
        ({"operator": "prefix +7"}, "+74955550123", "blocked_number"),
        ({"cc_2": "prefix +7496|withheld"}, "+74955550123", None),
        ({"cc_2": "withheld"}, "", "blocked_caller_id"),
        ({"cc_2": "calls 0"}, "+74955550123", "client_calls"),
        ({"aa_1": "rate 0"}, "+74955550123", "agency_rate"),
        ({"other": "withheld|calls 0"}, "", None),
    ],
)
def test_given_rules_of_this_node_when_a_call_enters_then_they_hold_as_a_worker_would_hold_them(
    rules: dict[str, str], caller: str, refused: str | None, tmp_path: Path
) -> None:
    keep_plans(tmp_path, f"0 4102444800 start {PLAN}", f"0 4102444800 ring {PLAN}")
    keep_rules(tmp_path, **rules)
    plan = fallback(tmp_path, dialtrace_caller=caller)["dialtrace_plan"]
    if refused is None:
        assert plan == PLAN
    else:
        cause = "CALL_REJECTED" if refused.startswith("blocked") else "USER_BUSY"
        assert f"{OWNER};dialtrace_decided=fallback;dialtrace_record=no;dialtrace_refused={refused};" in plan
        assert plan.endswith(f"~hangup:{cause}")
        assert "bridge" not in plan
    assert fallback(tmp_path, dialtrace_caller=caller, dialtrace_step="m")["dialtrace_plan"] == PLAN


def test_given_limits_when_a_call_enters_then_the_switchs_own_counters_are_asked_before_the_plan(
    tmp_path: Path,
) -> None:
    keep_plans(tmp_path, f"0 4102444800 start {PLAN}")
    keep_rules(tmp_path, cc_2="calls 3|number +1500", aa_1="calls 30|rate 5")
    actions = fallback(tmp_path)["dialtrace_plan"].removeprefix("m:~:").split("~")
    assert [one for one in actions if one.startswith("limit:")] == [
        r"limit:hash\sfallback_calls\scc-2\s3\s!USER_BUSY",
        r"limit:hash\sfallback_calls\saa-1\s30\s!USER_BUSY",
        r"limit:hash\sfallback_rate\saa-1\s5/1\s!USER_BUSY",
    ]
    assert actions[1] == "multiset:^^;dialtrace_refused=client_calls;dialtrace_over=client_calls"
    assert actions[-3:] == ["multiset:^^;dialtrace_refused=;dialtrace_over=", *PLAN.removeprefix("m:~:").split("~")]


def test_given_a_number_that_is_refused_anyway_then_its_rules_are_not_asked(tmp_path: Path) -> None:
    refused = f"m:~:multiset:^^;{OWNER};dialtrace_refused=suspended~hangup:SUBSCRIBER_ABSENT"
    keep_plans(tmp_path, f"0 4102444800 start {refused}")
    keep_rules(tmp_path, cc_2="withheld")
    assert fallback(tmp_path)["dialtrace_plan"] == refused


def test_given_digits_that_were_asked_for_then_they_stand_in_the_plan_that_was_made_for_so_many(tmp_path: Path) -> None:
    keep_plans(tmp_path, "0 4102444800 c=@digits6 v=@DIGITS@", "0 4102444800 c none", "0 4102444800 c=42 two")

    def pressed(keys: str) -> str:
        return fallback(tmp_path, dialtrace_step="c", dialtrace_result=keys)["dialtrace_plan"]

    assert pressed("402618") == "v=402618"
    assert [pressed(keys) for keys in ("40261", "4026180", "", "40261#", "@digits6", "42")] == [
        "none", "none", "none", "none", "v=", "two",
    ]  # fmt: skip


def test_given_where_a_caller_comes_from_then_its_own_whisper_is_played_if_the_node_has_it(tmp_path: Path) -> None:
    general, own, other = (f"say-{letter * 32}" for letter in "abc")
    keep_plans(tmp_path, f"0 4102444800 ring p=/@SAID:{general}@.wav")
    (tmp_path / "prompts").mkdir()
    said = f"{other}:{other},{general}:{own}"
    assert fallback(tmp_path, dialtrace_said=said)["dialtrace_plan"] == f"p=/{general}.wav"
    (tmp_path / "prompts" / f"{own}.wav").write_bytes(b"RIFF")
    assert fallback(tmp_path, dialtrace_said=said)["dialtrace_plan"] == f"p=/{own}.wav"
    assert fallback(tmp_path)["dialtrace_plan"] == f"p=/{general}.wav"


@pytest.mark.parametrize("dialled", ["74950000000", "../../../etc/passwd", "", "1" * 16])
def test_given_no_plan_or_no_digits_when_the_fallback_runs_then_it_says_so_and_sets_none(
    dialled: str, tmp_path: Path
) -> None:
    found = fallback(tmp_path, dialtrace_dialled=dialled)
    assert found["dialtrace_fallback"] == "no_plan"
    assert "dialtrace_plan" not in found


def run(tmp_path: Path, source: str) -> Variables:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "spool").mkdir()
    (tmp_path / "scripts" / "x.lua").write_text(source)
    (tmp_path / "secret").write_text("secret")
    found = Variables()
    Scripts(tmp_path / "scripts", tmp_path / "spool", {}).run("x.lua", found)
    return found


@pytest.mark.parametrize(
    "name", ["os.execute", "os.remove", "os.getenv", "io.popen", "io.lines", "require", "dofile", "loadstring", "load",
             "debug", "python", "package", "rawset", "setmetatable", "coroutine"],
)  # fmt: skip
def test_given_a_script_when_it_reaches_for_the_machine_then_nothing_is_there(name: str, tmp_path: Path) -> None:
    assert run(tmp_path, f"session:setVariable('found', tostring({name}))")["found"] == "nil"


@pytest.mark.parametrize("path", ["/etc/passwd", "SPOOL/../secret", "SPOOLX", "secret"])
def test_given_a_script_when_it_opens_a_file_outside_the_spool_or_writes_then_it_gets_nothing(
    path: str, tmp_path: Path
) -> None:
    path = path.replace("SPOOL", str(tmp_path / "spool"))
    assert run(tmp_path, f"session:setVariable('found', tostring(io.open('{path}')))")["found"] == "nil"
    (tmp_path / "scripts" / "x.lua").write_text(
        f"session:setVariable('f', tostring(io.open('{tmp_path}/spool/a', 'w')))"
    )
    found = Variables()
    Scripts(tmp_path / "scripts", tmp_path / "spool", {}).run("x.lua", found)
    assert found["f"] == "nil"


@pytest.mark.parametrize(
    ("source", "why"), [("error('no')", "no"), ("x = = 1", "x.lua"), ("nothing.at = 1", "nil value")]
)
def test_given_a_script_that_breaks_when_it_runs_then_the_reason_is_told(source: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match=why):
        run(tmp_path, source)


@pytest.mark.parametrize("name", ["absent.lua", "../x.lua", ""])
def test_given_a_script_that_is_not_there_when_it_is_run_then_it_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match="no script"):
        Scripts(tmp_path, tmp_path, {}).run(name, Variables())


def test_given_a_script_without_end_when_it_runs_then_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialtrace.node.scripts.MAX_INSTRUCTIONS", 10_000)
    with pytest.raises(ScriptFailed, match="ran too long"):
        run(tmp_path, "while true do end")
