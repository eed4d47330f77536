"""People who look after recordings see where each is, and whether the store still holds it."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from uuid import UUID

import pytest

from dialtrace.recording.inspection import RecordingInspector, Wanted
from dialtrace.recording.resealing import reseal_recording_secrets
from dialtrace.recording.service import RecordingService
from dialtrace.secrets_box.errors import MasterKeyMissing
from dialtrace.secrets_box.model import SecretsBox

from ..agent.conftest import node, tone
from ..privacy.conftest import AGENCY, CALL, place

__all__ = ["node", "place"]


@pytest.fixture
def stored(place):
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.put_recording(CALL, tone())
    place.node.ingest().run_once()
    return place


def inspector(place, box=None):
    return RecordingInspector(place.database, RecordingService(place.database, place.objects, box=box).places)


def test_given_a_recording_on_its_node_then_it_is_unaccounted_until_it_is_home(stored):
    later = stored.clock.moment + timedelta(hours=1)
    (row,) = inspector(stored).list_unaccounted(later)
    assert (row["call_id"], row["state"], row["node"]) == (CALL, "on_node", "node-1")
    stored.node.bring_all_home()
    assert inspector(stored).list_unaccounted(later) == []
    (listed,) = inspector(stored).list_recordings(Wanted(agency_id=AGENCY))
    assert listed["state"] == "verified"
    assert list(inspector(stored).list_recordings(Wanted(agency_id=AGENCY, state="absent"))) == []
    assert list(inspector(stored).list_recordings(Wanted(agency_id=UUID(int=5)))) == []


@pytest.mark.parametrize("read", [False, True])
def test_given_an_object_that_changed_or_went_then_verifying_says_so(stored, read):
    stored.node.bring_all_home()

    def faults():
        return [one.fault for one in inspector(stored).verify(Wanted(agency_id=AGENCY), read=read)]

    assert faults() == [None]
    (path,) = (one for one in stored.objects.root.rglob("*.wav"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "NotConfirmed" in faults()[0]
    path.unlink()
    assert "not in the store" in faults()[0]


def test_given_the_command_then_it_says_the_same(stored, database_url, tmp_path):
    environment = {
        **os.environ,
        "DIALTRACE_DATABASE_URL": database_url,
        "DIALTRACE_DATA_DIR": str(tmp_path),
        "DIALTRACE_RECORDINGS_URL": str(stored.objects.root),
    }

    def run(*arguments):
        command = [sys.executable, "-m", "dialtrace", "recordings", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    done = run("unaccounted", "--older-than", "0")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "on_node")
    stored.node.bring_all_home()
    assert (run("unaccounted", "--older-than", "0").returncode, done.stderr) == (0, "")
    (row,) = map(json.loads, run("list", "--agency", str(AGENCY)).stdout.splitlines())
    assert (row["call_id"], row["state"]) == (str(CALL), "verified")
    assert run("verify", "--agency", str(AGENCY), "--read").stderr == "1 are as they were confirmed, 0 are not\n"


def test_given_a_new_master_key_when_resealed_then_the_old_one_may_go_and_recordings_open(place):
    old, new = b"o" * 32, b"n" * 32
    service = RecordingService(place.database, place.objects, box=SecretsBox([old]))
    key_id = service.keys.rotate(AGENCY)
    with pytest.raises(MasterKeyMissing):
        RecordingService(place.database, place.objects, box=SecretsBox([new])).places.agency_key(AGENCY, key_id)
    before = service.places.agency_key(AGENCY, key_id)

    with place.database.tenant(AGENCY) as connection:
        assert reseal_recording_secrets(connection, AGENCY, SecretsBox([new, old])) == 1
    with place.database.tenant(AGENCY) as connection:
        assert reseal_recording_secrets(connection, AGENCY, SecretsBox([new, old])) == 0

    after = RecordingService(place.database, place.objects, box=SecretsBox([new])).places.agency_key(AGENCY, key_id)
    assert after == before
