"""How a real FreeSWITCH is started: command, environment, folders, and what is refused beforehand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialtrace.freeswitch_launch import NodeNotLaunchable, configuration_folder, freeswitch_spec
from dialtrace.nodesfile import NodeSettings
from dialtrace.supervisor import ChildSpec

PASSWORD = "quite-a-secret"


@pytest.fixture
def node(tmp_path: Path) -> NodeSettings:
    return NodeSettings(
        name="node-2",
        kind="freeswitch",
        sip="192.0.2.7:5080",
        event_socket="127.0.0.1:8022",
        event_socket_password=PASSWORD,
        spool=tmp_path / "spool",
    )


def spec(node: NodeSettings, tmp_path: Path, **changed: Any) -> ChildSpec:
    binary = tmp_path / "freeswitch"
    if not binary.exists():
        binary.touch(mode=0o755)
    given = {
        "binary": binary,
        "run_folder": tmp_path / "run",
        "worker": "127.0.0.1:8040",
        "rtp": (20_000, 20_039),
        "max_calls": 10,
    }
    return freeswitch_spec(node, **{**given, **changed})


def test_given_a_node_when_launched_then_the_password_is_in_the_environment_and_in_no_argument(
    node: NodeSettings, tmp_path: Path
) -> None:
    made = spec(node, tmp_path)
    assert made.environment["DIALTRACE_NODE_PASSWORD"] == PASSWORD
    assert PASSWORD not in " ".join(made.argv)


def test_given_a_node_when_launched_then_every_folder_is_its_own_and_closed_to_others(
    node: NodeSettings, tmp_path: Path
) -> None:
    made = spec(node, tmp_path)
    folders = dict(zip(made.argv[5::2], made.argv[6::2], strict=True))
    assert folders.pop("-conf") == str(configuration_folder())
    assert folders.pop("-scripts") == str(configuration_folder() / "scripts")
    assert folders.pop("-recordings") == str(node.spool / "recordings")
    assert all(path.startswith(str(tmp_path / "run")) and Path(path).is_dir() for path in folders.values())
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert (node.spool / "cdr").is_dir()


def test_given_a_folder_open_to_others_when_launched_again_then_it_is_closed(
    node: NodeSettings, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    spec(node, tmp_path)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_given_the_environment_when_made_then_it_names_exactly_what_the_configuration_reads(
    node: NodeSettings, tmp_path: Path
) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in configuration_folder().rglob("*.xml"))
    read = set(re.findall(r'cmd="env-set" data="[a-z_]+=\$([A-Z_]+)"', text))
    left_to_the_operator = {
        "DIALTRACE_NODE_MAX_RATE",
        "DIALTRACE_NODE_PUBLIC_IP",
        "DIALTRACE_NODE_LOG_LEVEL",
        "DIALTRACE_NODE_MEDIA_TIMEOUT_MS",
        "DIALTRACE_NODE_HOLD_TIMEOUT_MS",
    }
    assert read == set(spec(node, tmp_path).environment) | left_to_the_operator


def test_given_several_carriers_when_launched_then_the_access_list_gets_all_of_them(
    node: NodeSettings, tmp_path: Path
) -> None:
    made = spec(node, tmp_path, carriers=("192.0.2.0/24", "2001:db8::/32"))
    assert made.environment["DIALTRACE_NODE_CARRIERS"] == "192.0.2.0/24,2001:db8::/32"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"binary": Path("/nowhere/freeswitch")}, "is no program"),
        ({"rtp": (20_000, 20_038)}, "10 calls need 40 RTP ports"),
        ({"rtp": (20_039, 20_000)}, "are no range"),
        ({"rtp": (80, 20_000)}, "are no range"),
        ({"carriers": ()}, "1 to 32 carrier networks"),
        ({"carriers": ["192.0.2.1"] * 33}, "1 to 32 carrier networks"),
        ({"carriers": ["192.0.2.1/8"]}, "has host bits set"),
        ({"carriers": ["everybody"]}, "everybody"),
    ],
)
def test_given_what_cannot_work_when_launched_then_it_is_refused_with_the_reason(
    node: NodeSettings, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(NodeNotLaunchable, match=message):
        spec(node, tmp_path, **changed)


def test_given_an_event_socket_that_is_not_on_loopback_when_launched_then_it_is_refused(
    node: NodeSettings, tmp_path: Path
) -> None:
    with pytest.raises(NodeNotLaunchable, match=r"bound to 127\.0\.0\.1"):
        spec(replace(node, event_socket="192.0.2.7:8022"), tmp_path)


def test_given_a_program_that_may_not_be_run_when_launched_then_it_is_refused(
    node: NodeSettings, tmp_path: Path
) -> None:
    binary = tmp_path / "not-executable"
    binary.touch(mode=0o644)
    with pytest.raises(NodeNotLaunchable):
        spec(node, tmp_path, binary=binary)
