"""What a switch is told of trunks with passwords, and when."""

import stat
from xml.etree import ElementTree

import pytest

from dialtrace.esl.errors import CommandRefused, ConnectionLost
from dialtrace.node.gateways import Gateways
from dialtrace.trunks.gateways import Gateway, gateway_file
from dialtrace.workers.gateway_keeper import GatewayKeeper

NASTY = "s3cret&<>\"'$%41{};,=\\\\#~end"
NORTH = Gateway("north", "sip.carrier.example", 5080, "100200", NASTY)
SOUTH = Gateway("south", "198.51.100.7", None, "u@h", "plain")


def test_given_a_nasty_password_when_written_then_xml_gives_it_back_and_the_node_reads_it(tmp_path):
    told = {one.get("name"): one.get("value") for one in ElementTree.fromstring(gateway_file(NORTH)).iter("param")}
    assert (told["password"], told["proxy"], told["register"]) == (NASTY, "sip.carrier.example:5080", "false")
    (tmp_path / "north.xml").write_text(gateway_file(NORTH))
    (tmp_path / "broken.xml").write_text("<include")
    found = Gateways(tmp_path).find("north")
    assert (found.host, found.port, found.username, found.password) == (NORTH.host, 5080, "100200", NASTY)
    assert NASTY not in repr(found) + repr(NORTH)


class Switch:
    """Remembers what it was asked."""

    def __init__(self):
        self.asked, self.fault, self.core_uuid = [], None, "run-1"

    def api(self, *words):
        if self.fault is not None:
            raise self.fault
        self.asked.append(" ".join(words))
        if "killgw" in words:
            raise CommandRefused("-ERR no such gateway.")
        return "+OK"


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def kept(tmp_path, switch):
    """Keeps what is in the list; returns what the switch was asked meanwhile."""

    def keep(*gateways):
        switch.asked.clear()
        GatewayKeeper(
            node="n", spool=tmp_path, find_gateways=lambda: gateways, api=switch.api, core_uuid=lambda: switch.core_uuid
        ).keep()
        return [words for words in switch.asked if words != "reloadxml"]

    return keep


KILL, SCAN = "sofia profile external killgw ", "sofia profile external rescan"


def test_given_changes_when_kept_then_only_what_changed_is_taken_off_and_files_are_for_their_owner(kept, tmp_path):
    assert kept(NORTH, SOUTH) == [KILL + "north", KILL + "south", SCAN]
    assert kept(NORTH, SOUTH) == []
    other = Gateway("south", "198.51.100.7", None, "u@h", "another")
    assert kept(NORTH, other) == [KILL + "south", SCAN]
    assert kept(NORTH) == [KILL + "south", SCAN]
    folder = tmp_path / "gateways"
    assert sorted(path.name for path in folder.iterdir()) == [".told", "north.xml"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert NASTY not in (folder / ".told").read_text()


def test_given_a_switch_that_does_not_hear_when_kept_then_it_is_told_once_it_does(kept, switch):
    switch.fault = ConnectionLost("gone")
    assert kept(NORTH) == []
    switch.core_uuid, switch.fault = None, None
    assert kept(NORTH) == []
    switch.core_uuid = "run-1"
    assert kept(NORTH) == [KILL + "north", SCAN]
    switch.core_uuid = "run-2"
    assert kept(NORTH) == [KILL + "north", SCAN], "what a new run has read is not known"
