"""The nodes file: read with every fault told, written whole and for its owner only."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dialtrace.nodesfile import NodeSettings, NodesFileFaulty, read_nodes, write_nodes

ONE = NodeSettings("node-1", "embedded", "127.0.0.1:5060", "127.0.0.1:8021", "a-long-secret", Path("/var/spool/n1"))
TWO = replace(ONE, name="node-2", sip="127.0.0.1:5080", event_socket="127.0.0.1:8022", spool=Path("/var/spool/n2"))


def test_given_nodes_when_written_and_read_then_they_are_the_same_and_only_the_owner_reads_them(tmp_path):
    path = tmp_path / "deep" / "nodes.json"
    write_nodes(path, [ONE])
    write_nodes(path, [ONE, TWO])
    assert read_nodes(path) == [ONE, TWO]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["nodes.json"]


def test_given_a_node_then_its_addresses_are_pairs_and_its_password_stays_out_of_logs():
    assert ONE.event_socket_address == ("127.0.0.1", 8021)
    assert ONE.sip_address == ("127.0.0.1", 5060)
    assert "a-long-secret" not in repr(ONE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Node 1"}, "[0].name: must be"),
        ({"kind": "asterisk"}, "[0].kind: must be one of embedded, freeswitch"),
        ({"sip": "127.0.0.1"}, "[0].sip: must look like"),
        ({"sip": "127.0.0.1:99999"}, "[0].sip: must look like"),
        ({"event_socket": "10.0.0.1:8021"}, "[0].event_socket: must be on loopback"),
        ({"event_socket": "127.0.0.1:²"}, "[0].event_socket: must look like"),
        ({"event_socket_password": "ClueCon"}, "[0].event_socket_password: must have at least 8"),
        ({"event_socket_password": "with\nnewline"}, "[0].event_socket_password: must be printable"),
        ({"spool": "relative"}, "[0].spool: must be an absolute path"),
        ({"spool": "/a/../b"}, "[0].spool: must be an absolute path"),
        ({"spool": "/a b"}, "[0].spool: must be an absolute path"),
        ({"spool": 5}, "[0].spool: must be text"),
        ({"colour": "red"}, "[0].colour: unknown"),
    ],
)
def test_given_a_fault_then_it_is_told_with_its_place(tmp_path, change, told):
    entry = {
        "name": "n",
        "kind": "embedded",
        "sip": "127.0.0.1:1",
        "event_socket": "127.0.0.1:2",
        "event_socket_password": "12345678",
        "spool": "/s",
    }
    (tmp_path / "nodes.json").write_text(json.dumps([entry | change]))
    with pytest.raises(NodesFileFaulty) as caught:
        read_nodes(tmp_path / "nodes.json")
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(told)


def test_given_several_faults_then_all_are_told(tmp_path):
    (tmp_path / "nodes.json").write_text(json.dumps([{"name": "n"}, 5]))
    with pytest.raises(NodesFileFaulty) as caught:
        read_nodes(tmp_path / "nodes.json")
    assert caught.value.faults[0] == "[0].kind: is missing"
    assert caught.value.faults[-1] == "[1]: must be an object"


def test_given_two_nodes_on_one_spool_then_it_is_refused(tmp_path):
    write_nodes(tmp_path / "nodes.json", [ONE, replace(TWO, spool=ONE.spool)])
    with pytest.raises(NodesFileFaulty, match=r"spool '/var/spool/n1' is used twice"):
        read_nodes(tmp_path / "nodes.json")


@pytest.mark.parametrize(("text", "told"), [("{", "is not JSON"), ("[]", "one node or more"), ("{}", "must be a list")])
def test_given_something_else_then_it_is_refused(tmp_path, text, told):
    (tmp_path / "nodes.json").write_text(text)
    with pytest.raises(NodesFileFaulty, match=told):
        read_nodes(tmp_path / "nodes.json")


def test_given_no_file_then_the_error_names_it(tmp_path):
    with pytest.raises(NodesFileFaulty, match=r"missing\.json.*\n.*cannot be read"):
        read_nodes(tmp_path / "missing.json")
