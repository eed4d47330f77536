"""Debian's Kamailio with our configuration, in front of two nodes."""

import shutil
import subprocess
import time

import psutil
import pytest

from dialtrace.workers.edge import EdgeFolder, EdgeSilent, Kamailio

from ..node.phone import HOST, Phone, free_port
from ..node.switch import Worker


class Edge:
    """One running Kamailio."""

    def __init__(self, folder, *, memory_mb=64, **prepared):
        self.memory_mb = memory_mb
        self.folder = EdgeFolder(folder)
        self.address = (HOST, free_port())
        settings = {"calls_per_s": 1000, "limits": {}} | prepared
        self.folder.prepare(listen=f"{HOST}:{self.address[1]}", **settings)
        self.rpc = Kamailio(self.folder)
        self.process = None

    def start(self):
        self._log = (self.folder.folder / "kamailio.log").open("ab")
        folder = str(self.folder.folder)
        command = ["kamailio", "-DD", "-E", "-m", str(self.memory_mb), "-M", "32", "-f", f"{folder}/kamailio.cfg"]
        self.process = subprocess.Popen([*command, "-w", folder], stdout=self._log, stderr=subprocess.STDOUT)
        until(self._answers, 20 + self.memory_mb / 4)

    def _answers(self):
        assert self.process.poll() is None, (self.folder.folder / "kamailio.log").read_text()
        try:
            return bool(self.rpc.ask("core.version"))
        except EdgeSilent:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self._log.close()

    def state(self, node):
        """The dispatcher's word on a node, such as AP (serves) or IP (does not)."""
        wanted = self.folder.ids().get(node)
        for row in self.rpc.ask("dispatcher.list")["RECORDS"]:
            if row["SET"]["ID"] == wanted:
                return row["SET"]["TARGETS"][0]["DEST"]["FLAGS"]
        return None

    def placed(self):
        """The map that it holds."""
        rows = [row for table in ("placements", "moved") for row in self.rpc.ask("htable.dump", table) or []]
        return {slot["name"]: slot["value"] for row in rows for slot in row["slot"]}

    def count(self, table):
        """How many entries a table has."""
        return next(int(one["all"]) for one in self.rpc.ask("htable.stats") if one["name"] == table)

    def sets_of(self, number, table="placements"):
        """What a table has of one number."""
        return self.rpc.ask("htable.get", table, number)["item"]["value"]

    def resident_mb(self):
        """Of all its processes, what is shared counted once."""
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        return sum(one.memory_full_info().pss for one in family) / 2**20


def until(condition, within_s=10.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def needs_kamailio():
    # `make setup` installs it.
    assert shutil.which("kamailio"), "Debian's package kamailio is not installed: make setup"


@pytest.fixture
def make_edge(tmp_path, needs_kamailio):
    running = []

    def make(**prepared):
        running.append(edge := Edge(tmp_path / "edge", **prepared))
        return edge

    yield make
    for edge in running:
        if edge.process is not None and edge.process.poll() is None:
            edge.stop()


@pytest.fixture
def worker():
    found = Worker()
    yield found
    found.close()


@pytest.fixture
def phone():
    found = Phone()
    yield found
    found.close()
