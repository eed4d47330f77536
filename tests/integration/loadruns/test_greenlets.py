"""A process counts its greenlets: those that live, and no longer than they do."""

import subprocess
import sys

SCRIPT = """
from gevent import monkey
monkey.patch_all()
import gevent
from gevent.event import Event
from gevent.pool import Group
from dialtrace.workers.greenlets import count_greenlets, living
from prometheus_client import generate_latest

count_greenlets()
before, stop, group = living(), Event(), Group()
for _ in range(20):
    group.spawn(stop.wait)
gevent.spawn_later(3600, print)
gevent.sleep(0)
assert living() - before == 21, living()
assert f"dialtrace_greenlets {float(living())}" in generate_latest().decode()
stop.set()
group.join()
assert living() - before == 1, living()
print("counted")
"""


def test_given_greenlets_that_come_and_go_then_those_that_live_are_counted():
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert told.stdout == "counted\n", told.stderr
