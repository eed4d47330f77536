"""A built wheel carries everything that the program reads at run time, and works away from the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NEEDED = [
    "dialtrace/__main__.py",
    "dialtrace/esl/wire.py",
    "dialtrace/migrations/env.py",
    "dialtrace/freeswitch/dialplan/inbound.xml",
    "dialtrace/freeswitch/scripts/dialtrace_fallback.lua",
    "dialtrace/freeswitch/freeswitch.xml",
    "dialtrace/loadtest/scenarios/caller_answered.xml",
    "dialtrace/api/templates/reference.html",
    "dialtrace/sites/sources.toml",
    "dialtrace/browser/swap.js",
    "dialtrace/browser/releases/swap-1.0.0.js",
]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # Built from what git knows, in a folder of its own: a leftover build/ cannot hide a missing file.
    subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), str(source)], check=True, timeout=60)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(folder),
            str(source),
        ],
        check=True,
        timeout=120,
        capture_output=True,
    )
    with zipfile.ZipFile(next(folder.glob("dialtrace-*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


@pytest.mark.timeout(180)
def test_given_a_wheel_when_listed_then_code_migrations_switch_configuration_and_scenarios_are_in_it(
    unpacked: Path,
) -> None:
    assert [name for name in NEEDED if not (unpacked / name).exists()] == []
    assert list((unpacked / "dialtrace/migrations/versions").glob("0001_*.py"))
    assert not (unpacked / "dialtrace/__init__.py").exists()


@pytest.mark.timeout(180)
def test_given_a_wheel_when_run_away_from_the_checkout_then_program_and_standard_library_both_work(
    unpacked: Path, tmp_path: Path
) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import platform, uuid, dialtrace.esl\n"
        "from importlib.resources import files\n"
        "assert dialtrace.esl.__file__.startswith(sys.argv[1]), dialtrace.esl.__file__\n"
        "assert files('dialtrace.migrations').joinpath('env.py').is_file()\n"
        "print(platform.python_implementation(), uuid.uuid4())\n"
        "from dialtrace.cli import cli\n"
        "cli(['--help'])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(unpacked)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "demo" in ran.stdout
