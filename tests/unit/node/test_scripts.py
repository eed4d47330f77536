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
