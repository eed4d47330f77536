"""Before anything starts: faults of ports and data folder are told with what is in the way and how to mend it."""

import os
import socket
from pathlib import Path

import pytest

from dialtrace.config import load_settings
from dialtrace.metrics import MetricsNotServed, serve_metrics
from dialtrace.nodesfile import NodeSettings, NodesFileFaulty
from dialtrace.preflight import DataFolderUnusable, Port, PortsTaken, check_folder, check_ports, wanted_ports
from dialtrace.up import kept_nodes


def listener(kind: socket.SocketKind = socket.SOCK_STREAM, *, shared: bool = False) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    if kind is socket.SOCK_STREAM:
        sock.listen(1)
    return sock


def test_given_ports_in_use_when_checked_then_all_are_told_with_their_holder_and_the_setting() -> None:
    with listener(shared=True) as workers, listener(socket.SOCK_DGRAM) as sip:
        ports = [
            Port("call workers", workers.getsockname(), "set DIALTRACE_WORKER_LISTEN"),
            Port("node-1, SIP", sip.getsockname(), "give --sip-port", socket.SOCK_DGRAM),
        ]
        with pytest.raises(PortsTaken) as caught:
            check_ports(ports)
    assert len(caught.value.faults) == 2
    assert f"held by pid {os.getpid()}" in caught.value.faults[0]
    assert "set DIALTRACE_WORKER_LISTEN" in caught.value.faults[0]
    assert "give --sip-port" in caught.value.faults[1]


def test_given_free_ports_when_checked_then_nothing_is_said() -> None:
    with listener() as sock:
        free = sock.getsockname()
    check_ports([Port("API", free, "set DIALTRACE_API_LISTEN")])


def test_given_a_node_that_goes_on_when_ports_are_listed_then_its_own_are_not_asked_for(tmp_path: Path) -> None:
    node = NodeSettings("node-1", "embedded", "127.0.0.1:5060", "127.0.0.1:8021", "password-1", tmp_path)
    settings = load_settings({"DIALTRACE_DATA_DIR": str(tmp_path)})
    assert [port.what for port in wanted_ports(settings, [node])] == [
        "API",
        "stream of live calls",
        "call workers",
        "node-1, SIP",
        "node-1, event socket",
    ]
    assert len(wanted_ports(settings, [node], going_on=["node-1"])) == 3


def test_given_a_folder_that_cannot_be_made_when_checked_then_the_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderUnusable, match=r"Not a directory.*DIALTRACE_DATA_DIR"):
        check_folder(tmp_path / "file" / "data")


def test_given_a_good_folder_when_checked_then_nothing_stays_in_it(tmp_path: Path) -> None:
    check_folder(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_given_a_port_for_metrics_that_is_taken_when_served_then_the_setting_is_named() -> None:
    with listener() as sock, pytest.raises(MetricsNotServed, match=r"already in use; .*DIALTRACE_METRICS_LISTEN"):
        serve_metrics(*sock.getsockname())


def test_given_a_broken_nodes_file_when_up_reads_it_then_it_is_said_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "nodes.json").write_text('[{"name": "node-1"')
    with pytest.raises(NodesFileFaulty, match=r"is not JSON[\s\S]*remove it: `dialtrace up` then writes a new one"):
        kept_nodes(load_settings({"DIALTRACE_DATA_DIR": str(tmp_path)}), 1, 5060, "embedded")
