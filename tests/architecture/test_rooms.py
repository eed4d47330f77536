"""Fails when an import breaks the table of rooms, or when a rule of the source tree is broken."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .rooms import ALSO, FORBIDDEN, LEVELS, LIBRARIES, OFFERED, PUBLIC, READ_CONFIG

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "platform"
FILES = sorted(SOURCE.rglob("*.py"))


#: Declarations only: one table after the other, read from top to bottom.
LONG_ON_PURPOSE = {"db/tables", "config", "metrics"}


def parts_of(file: Path) -> tuple[str, ...]:
    return file.relative_to(SOURCE).with_suffix("").parts


def imports_of(file: Path) -> Iterator[tuple[str, ...]]:
    """Every import as a path: ('.', 'room', 'module') for ours, ('library', …) for others."""
    here = parts_of(file)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield tuple((node.module or "").split("."))
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level]
            module = (*base, *(node.module.split(".") if node.module else ()))
            if module:
                yield (".", *module)
            for alias in node.names:
                if (SOURCE.joinpath(*module, alias.name)).is_dir() or SOURCE.joinpath(
                    *module, alias.name + ".py"
                ).exists():
                    yield (".", *module, alias.name)


def faults_of(file: Path) -> list[str]:
    own = parts_of(file)
    room = own[0]
    faults = []
    for path in imports_of(file):
        if path[0] == "dialtrace":
            faults.append("imports dialtrace absolutely; use a relative import")
        if path[0] == "." and path[1] != room:
            faults += room_faults(room, path[1:])
        elif path[0] in LIBRARIES and not library_allowed(own, path[0]):
            faults.append(f"imports {path[0]}, which only {sorted(LIBRARIES[path[0]])} may")
    return faults


def library_allowed(own: tuple[str, ...], library: str) -> bool:
    names = {own[0], "/".join(own[:2]), "*/" + own[-1]}
    return bool(names & LIBRARIES[library])


def room_faults(room: str, target: tuple[str, ...]) -> list[str]:
    other = target[0]
    faults = []
    if (room, other) in FORBIDDEN:
        faults.append(f"{room} must not reach {other}")
    if LEVELS[other] >= LEVELS[room] and (room, other) not in ALSO:
        faults.append(f"{room} (level {LEVELS[room]}) imports {other} (level {LEVELS[other]})")
    if other in {"config", "logs"} and room not in READ_CONFIG:
        faults.append(f"{room} reads {other}")
    if len(target) > 1 and target[1] not in OFFERED.get(other, PUBLIC):
        faults.append(f"{room} imports {'.'.join(target)}, which is private to {other}")
    return faults


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(parts_of(file)))
def test_given_a_module_when_its_imports_are_read_then_they_keep_to_the_table_of_rooms(file: Path) -> None:
    assert faults_of(file) == []


def test_given_the_source_when_listed_then_every_room_has_a_level() -> None:
    rooms = {parts_of(file)[0] for file in FILES}
    assert rooms - set(LEVELS) == set()


def test_given_the_source_when_listed_then_platform_itself_is_no_package() -> None:
    assert not (SOURCE / "__init__.py").exists(), "it would shadow the standard library's platform"


def test_given_top_modules_when_named_then_none_bears_a_name_of_the_standard_library() -> None:
    names = {path.stem for path in SOURCE.glob("*.py")} - {"__main__"}
    assert names & set(sys.stdlib_module_names) == set()


def test_given_file_names_when_listed_then_none_is_a_drawer_for_anything() -> None:
    banned = {"utils", "helpers", "common", "manager", "misc"}
    assert [file for file in FILES if file.stem in banned] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(parts_of(file)))
def test_given_a_module_when_read_then_it_is_short_and_says_what_it_is_for(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= 400 or "/".join(parts_of(file)) in LONG_ON_PURPOSE, "split it (STYLE 3)"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "a module opens with what it is for (STYLE 10)"


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(parts_of(file)))
def test_given_functions_when_measured_then_none_is_longer_than_seventy_lines(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if (f.end_lineno or f.lineno) - f.lineno + 1 > 70] == []


def test_given_a_forbidden_import_when_the_rule_is_asked_then_it_is_found() -> None:
    assert room_faults("calls", ("objectstore", "service"))
    assert room_faults("db", ("cdr", "service"))
    assert room_faults("api", ("calls", "inner"))
    assert not library_allowed(("api", "calls"), "boto3")
